const SLAB = 0.4; // of the longest side; what is thinner has its slices large

// One image with its maps. Samples are decoded when it comes near the screen.
class Card {
  constructor(viewer, element) {
    this.viewer = viewer;
    this.element = element;
    this.grid = JSON.parse(element.dataset.grid);
    this.planes = element.querySelector(".planes");
    this.readout = element.querySelector(".readout");
    this.cross = this.grid.start;
    this.visible = false;
    this.stale = false;
    this.samples = {};
    this.panes = [];
    this.volume = Math.min(...this.grid.shape) > 1;
    this.picked = this.volume;
    const enlarge = element.querySelector(".enlarge");
    enlarge.addEventListener("click", () => {
      const large = element.classList.toggle("large");
      enlarge.setAttribute("aria-pressed", large);
      enlarge.textContent = large ? "Reduce" : "Enlarge";
    });
    element.querySelector(".download").addEventListener("click", () => this.download());
  }

  get ofClass() { return this.viewer.ofClass || this.element.dataset.class; }
  get map() { return this.grid.maps[this.ofClass]?.[this.viewer.map]; }
  get limit() { return this.map.limit ?? this.viewer.limits[this.viewer.map]; }
  get mapLayer() { return `${this.viewer.map}:${this.ofClass}`; }

  // Makes the panes for this choice of what is shown.
  build(beside) {
    if (this.beside === beside) return;
    this.beside = beside;
    this.planes.replaceChildren();
    this.panes = [];
    for (const panes of this.rows(beside)) {
      const row = make("div", this.planes, { class: "row" });
      for (const [plane, overlaid] of panes) {
        plane.view ??= { zoom: 1, x: 0, y: 0 };
        this.panes.push(new Pane(this, row, plane, overlaid, plane.view));
      }
    }
  }

  rows(beside) {
    const { shape, spacing, millimetres } = this.grid;
    if (!this.volume) {
      const flat = millimetres ? shape.indexOf(1) : 2;
      const plane = PLANES.find(({ axes }) => axes[2] === flat);
      const view = { zoom: 1, x: 0, y: 0 };
      const named = ["image", "map over the image"].map((name) => ({ ...plane, name, view }));
      return [beside ? [[named[0], false], [named[1], true]] : [[named[1], true]]];
    }
    const planes = PLANES.map((plane) => ({ ...plane }));
    const sides = shape.map((size, axis) => size * spacing[axis]);
    const thin = sides.indexOf(Math.min(...sides));
    if (sides[thin] < SLAB * Math.max(...sides)) {
      this.element.classList.add("slab");
      const main = planes.find(({ axes }) => axes[2] === thin);
      const others = planes.filter((plane) => plane !== main).map((plane) => [plane, true]);
      return [beside ? [[main, false], [main, true]] : [[main, true]], others];
    }
    const rows = [planes.map((plane) => [plane, true])];
    return beside ? [...rows, planes.map((plane) => [plane, false])] : rows;
  }

  showAll() {
    for (const { view } of this.panes) Object.assign(view, { zoom: 1, x: 0, y: 0 });
    for (const pane of this.panes) pane.place();
  }

  // What is shown is not what was asked for, until the card is drawn again.
  spoil() {
    this.stale = true;
    this.element.setAttribute("aria-busy", "true");
  }

  async layer(name) {
    if (!(name in this.samples)) {
      const layers = [...this.element.querySelectorAll("script")];
      const found = layers.find(({ dataset }) => dataset.layer === name);
      this.samples[name] = found ? await unpack(found.textContent, this.grid.shape) : null;
    }
    return this.samples[name];
  }

  async draw() {
    this.stale = false;
    const { viewer } = this, name = this.mapLayer;
    try {
      const image = await this.layer("image"), map = await this.layer(name);
      const masks = {
        findings: viewer.outlined("findings") && await this.layer(`findings:${this.ofClass}`),
        truth: viewer.outlined("truth") && await this.layer("truth"),
        grid: viewer.outlined("grid") && await this.layer("grid"),
      };
      if (name !== this.mapLayer) return; // another map was chosen: this is stale again
      const colours = viewer.colours(this.map.step, this.limit), greys = viewer.greys(this.grid);
      for (const pane of this.panes) {
        pane.paint({ image, map, masks }, colours, greys);
        pane.mark();
      }
      const of = this.element.querySelector(".of");
      if (of) of.textContent = this.ofClass;
      for (const bars of this.element.querySelectorAll(".bars[data-class]")) {
        bars.hidden = bars.dataset.class !== this.ofClass;
      }
      this.tell();
    } catch (error) {
      this.readout.textContent = `This browser cannot draw the maps (${error.message}).`;
    }
    if (!this.stale) this.element.setAttribute("aria-busy", "false");
    if (!this.visible) this.forget();
  }

  forget() {
    this.samples = {};
  }

  move(axis, index) {
    this.go(this.cross.map((at, k) => (k === axis ? index : at)));
  }

  go(voxel) {
    this.cross = voxel.map((at, k) => clamp(at, 0, this.grid.shape[k] - 1));
    this.picked = true;
    this.spoil();
    this.draw();
  }

  position(voxel = this.cross) {
    const places = this.grid.affine.slice(0, 3).map(
      (row) => row[3] + voxel.reduce((sum, at, k) => sum + at * row[k], 0));
    if (this.grid.millimetres) {
      return `${["x", "y", "z"].map((axis, k) => `${axis} ${signed(places[k], 1)}`).join(", ")} mm`;
    }
    const names = this.volume ? ["i", "j", "k"] : ["column", "row"];
    return names.map((axis, k) => `${axis} ${signed(places[k], 0)}`).join(", ");
  }

  // Reads out a voxel, that of the crosshair if none is given.
  tell(voxel) {
    const map = this.samples[this.mapLayer], { image } = this.samples;
    const inside = (voxel ?? this.cross).every((at, k) => at >= 0 && at < this.grid.shape[k]);
    if (!map || !inside) return;
    const end = this.map.limit === null ? "" : ` (colours end at ±${short(this.limit)})`;
    if (!voxel && !this.picked) {
      this.readout.textContent = end.trim();
      return;
    }
    const [x, y, z] = voxel ?? this.cross, [width, height] = this.grid.shape;
    const at = x + width * (y + height * z), score = this.map.unit === "t";
    const value = `${score ? "t" : this.viewer.map} ${short((map[at] - ZERO) * this.map.step)}`;
    const [low, high] = this.grid.range;
    const grey = image && !this.viewer.isGroup
      ? `; image ${short(low + (image[at] / 255) * (high - low))}` : "";
    const unit = score ? "" : ` ${this.map.unit}`;
    this.readout.textContent = `${this.position(voxel)}: ${value}${unit}${grey}${end}`;
  }

  async download() {
    const map = await this.layer(this.mapLayer), { name } = this.element.dataset;
    const part = (text) => text.replace(/[^\p{L}\p{N}.-]+/gu, "-").slice(0, 80);
    const stem = `${part(name)}_label-${part(this.ofClass)}_desc-${this.viewer.map}`;
    if (this.volume || this.grid.millimetres) {
      const file = await nifti(map, this.grid, this.map.step, `${this.viewer.map}, 8 bits`);
      save(file, `${stem}.nii.gz`);
    } else {
      this.panes.at(-1).canvas.toBlob((file) => save(file, `${stem}.png`));
    }
  }
}
