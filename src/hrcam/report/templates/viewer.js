"use strict";
// Draws images with their maps, and reads them out. No library, no network, nothing kept.
(() => {
  // Axes of a volume in RAS+ order: across the screen, down it, and through it. Radiological
  // convention: the subject's right is on the left, anterior and superior are on top.
  const PLANES = [
    { name: "axial", axes: [0, 1, 2], sides: ["R", "L", "A", "P"] },
    { name: "coronal", axes: [0, 2, 1], sides: ["R", "L", "S", "I"] },
    { name: "sagittal", axes: [1, 2, 0], sides: ["A", "P", "S", "I"] },
  ];
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const idle = () => new Promise((done) => {
    if (window.requestIdleCallback) requestIdleCallback(done, { timeout: 100 });
    else setTimeout(done);
  });
  const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
  const short = (value) => signed(value, Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);

  function make(tag, parent, attributes = {}) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    parent.append(element);
    return element;
  }

  // Samples are differences between neighbours, deflated, in base64.
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const samples = new Uint8Array(await new Response(stream).arrayBuffer());
    for (let i = 1; i < samples.length; i++) samples[i] += samples[i - 1];
    return samples;
  }

  // 256 colours from the weakest to the strongest.
  function ramp(colours) {
    const nodes = colours.map((c) => [1, 3, 5].map((at) => parseInt(c.slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, i) => {
      const place = (i / 255) * (nodes.length - 1);
      const node = Math.min(Math.floor(place), nodes.length - 2);
      return nodes[node].map((low, k) => low + (place - node) * (nodes[node + 1][k] - low));
    });
  }

  // One plane of a card: what it shows, and where the crosshair is in it.
  class Pane {
    constructor(card, plane, overlaid) {
      this.card = card;
      this.overlaid = overlaid;
      this.axes = plane.axes;
      this.flipped = card.grid.millimetres;
      const [across, down, through] = this.axes;
      const { shape, spacing } = card.grid;
      const width = shape[across] * spacing[across], height = shape[down] * spacing[down];
      const figure = make("figure", card.planes, { class: "plane" });
      figure.style.flex = `${width} 1 0`; // one scale for all planes
      this.frame = make("div", figure, { class: "frame" });
      this.frame.style.aspectRatio = `${width} / ${height}`;
      this.canvas = make("canvas", this.frame, {
        width: shape[across], height: shape[down], tabindex: 0, role: "application",
        "aria-label": `${plane.name} of ${card.element.dataset.name}; arrow keys move`,
      });
      this.lines = ["down", "across"].map((name) => make("i", this.frame, { class: name }));
      if (this.flipped) for (const side of plane.sides) make("b", this.frame).textContent = side;
      make("figcaption", figure).textContent = plane.name;
      if (card.volume) {
        this.slice = make("input", figure, {
          class: "slice", type: "range", min: 0, max: shape[through] - 1,
          "aria-label": `${plane.name} slice`,
        });
        this.slice.addEventListener("input", () => card.move(through, Number(this.slice.value)));
      }
      this.canvas.addEventListener("click", (event) => this.point(event));
      this.canvas.addEventListener("pointermove", (event) => {
        if (event.pointerType === "mouse" && event.buttons & 1) this.point(event);
      });
      this.canvas.addEventListener("keydown", (event) => this.press(event));
    }

    // Between a place on the screen and a voxel, along one axis; its own inverse.
    turned(axis, index) {
      return this.flipped ? this.card.grid.shape[axis] - 1 - index : index;
    }

    point(event) {
      const box = this.canvas.getBoundingClientRect();
      const [across, down] = this.axes;
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height);
      this.card.place(across, this.turned(across, x), down, this.turned(down, y));
    }

    press(event) {
      const [across, down, through] = this.axes, cross = this.card.cross;
      if (event.key in ARROWS) {
        const [x, y] = ARROWS[event.key], sign = this.flipped ? -1 : 1;
        this.card.place(across, cross[across] + sign * x, down, cross[down] + sign * y);
      } else if (this.card.volume && (event.key === "PageUp" || event.key === "PageDown")) {
        this.card.move(through, cross[through] + (event.key === "PageUp" ? 1 : -1));
      } else return;
      event.preventDefault();
    }

    paint(image, map, colours) {
      const { width, height } = this.canvas, { shape } = this.card.grid;
      const strides = [1, shape[0], shape[0] * shape[1]];
      const [across, down, through] = this.axes;
      const picture = new ImageData(width, height);
      for (let y = 0, at = 0; y < height; y++) {
        const row = this.turned(down, y) * strides[down] + this.card.cross[through] * strides[through];
        for (let x = 0; x < width; x++, at += 4) {
          const voxel = row + this.turned(across, x) * strides[across];
          const grey = image ? image[voxel] : 90, colour = 4 * map[voxel];
          const alpha = this.overlaid ? colours[colour + 3] : 0;
          for (let k = 0; k < 3; k++) {
            picture.data[at + k] = grey + alpha * (colours[colour + k] - grey);
          }
          picture.data[at + 3] = 255;
        }
      }
      this.canvas.getContext("2d").putImageData(picture, 0, 0);
    }

    mark() {
      const { cross, grid, picked } = this.card, [across, down, through] = this.axes;
      [across, down].forEach((axis, k) => {
        const share = (100 * (this.turned(axis, cross[axis]) + 0.5)) / grid.shape[axis];
        this.lines[k].style[k ? "top" : "left"] = `${share}%`;
        this.lines[k].hidden = !picked;
      });
      if (!this.slice) return;
      this.slice.value = cross[through];
      this.slice.setAttribute("aria-valuetext", this.card.position());
    }
  }

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
      this.volume = Math.min(...this.grid.shape) > 1;
      this.picked = this.volume;
      if (this.volume) {
        this.panes = PLANES.map((plane) => new Pane(this, plane, true));
      } else {
        const flat = this.grid.millimetres ? this.grid.shape.indexOf(1) : 2;
        const plane = PLANES.find(({ axes }) => axes[2] === flat);
        this.panes = ["image", "map over the image"].map(
          (name, index) => new Pane(this, { ...plane, name }, index === 1));
      }
    }

    get map() { return this.grid.maps[this.viewer.map]; }
    get limit() { return this.map.limit ?? this.viewer.limits[this.viewer.map]; }

    // What is shown is not what was asked for, until the card is drawn again.
    spoil() {
      this.stale = true;
      this.element.setAttribute("aria-busy", "true");
    }

    async layer(name) {
      if (!(name in this.samples)) {
        this.texts ??= JSON.parse(this.element.querySelector("script").textContent);
        this.samples[name] = this.texts[name] === null ? null : await unpack(this.texts[name]);
      }
      return this.samples[name];
    }

    async draw() {
      this.stale = false;
      const name = this.viewer.map;
      try {
        const image = await this.layer("image"), map = await this.layer(name);
        if (name !== this.viewer.map) return; // another map was chosen: this is stale again
        const colours = this.viewer.colours(this.map.step, this.limit);
        for (const pane of this.panes) {
          pane.paint(image, map, colours);
          pane.mark();
        }
        this.tell(map);
      } catch (error) {
        this.readout.textContent = `This browser cannot draw the maps (${error.message}).`;
      }
      if (!this.stale) this.element.setAttribute("aria-busy", "false");
      if (!this.visible) this.forget();
    }

    forget() {
      this.samples = {};
      this.texts = undefined;
    }

    place(first, one, second, two) {
      this.cross[first] = one;
      this.move(second, two);
    }

    move(axis, index) {
      this.cross[axis] = index;
      this.cross = this.cross.map((at, k) => Math.min(Math.max(at, 0), this.grid.shape[k] - 1));
      this.picked = true;
      this.spoil();
      this.draw();
    }

    position() {
      const places = this.grid.affine.slice(0, 3).map(
        (row) => row[3] + this.cross.reduce((sum, at, k) => sum + at * row[k], 0));
      if (this.grid.millimetres) {
        return `${["x", "y", "z"].map((axis, k) => `${axis} ${signed(places[k], 1)}`).join(", ")} mm`;
      }
      const names = this.volume ? ["i", "j", "k"] : ["column", "row"];
      return names.map((axis, k) => `${axis} ${signed(places[k], 0)}`).join(", ");
    }

    tell(map) {
      const end = this.map.limit === null ? "" : ` (colours end at ±${short(this.limit)})`;
      const [x, y, z] = this.cross, [width, height] = this.grid.shape;
      const step = (map[x + width * (y + height * z)] << 24) >> 24; // signed
      const value = `${this.map.unit === "t" ? "t" : this.viewer.map} ${short(step * this.map.step)}`;
      const unit = this.map.unit === "t" ? "" : ` ${this.map.unit}`;
      this.readout.textContent = this.picked ? `${this.position()}: ${value}${unit}${end}` : end.trim();
    }
  }

  // All cards of a chapter, and their controls.
  class Viewer {
    constructor(root) {
      this.root = root;
      this.form = root.querySelector("form");
      this.limits = JSON.parse(root.dataset.limits);
      const { warm, cold } = JSON.parse(root.dataset.ramps);
      this.ramps = { warm: ramp(warm), cold: ramp(cold) };
      this.cards = [...root.querySelectorAll(".card")].map((element) => new Card(this, element));
      this.named = new Map(this.cards.map((card) => [card.element, card]));
      const observer = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "400px" });
      for (const { element } of this.cards) observer.observe(element);
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", (event) => this.change(event.target.name));
      this.change("order");
    }

    see(entries) {
      for (const { target, isIntersecting } of entries) {
        const card = this.named.get(target);
        card.visible = isIntersecting;
        if (!isIntersecting && !card.stale) card.forget();
        if (isIntersecting && !Object.keys(card.samples).length) card.spoil();
      }
      this.pump();
    }

    change(name) {
      const { elements } = this.form;
      this.map = this.form.querySelector(".maps input:checked").value;
      this.threshold = Number(elements.threshold.value);
      this.opacity = Number(elements.opacity.value);
      this.legend();
      if (name === "order") this.sort();
      this.filter();
      for (const card of this.cards) card.spoil();
      this.pump();
    }

    filter() {
      const { label, outcome, seen } = this.form.elements;
      let shown = 0;
      for (const card of this.cards) {
        const { dataset } = card.element;
        const wanted = (!label?.value || label.value === dataset.label)
          && (!outcome?.value || outcome.value === dataset.outcome)
          && (!seen?.value || seen.value === dataset.seen) && Boolean(card.map);
        card.element.hidden = !wanted;
        shown += wanted;
      }
      const count = this.form.querySelector(".count");
      if (count) count.textContent = `${shown} of ${this.cards.length} shown`;
    }

    sort() {
      const order = this.form.elements.order?.value ?? "name";
      if (order === "name" && !this.sorted) return;
      const places = this.sorted ??= [...this.cards]; // as they came: by name
      const sign = { name: 0, sure: -1, unsure: 1 }[order];
      const confidence = (card) => Number(card.element.dataset.confidence);
      this.cards = [...places].sort((a, b) => sign * (confidence(a) - confidence(b)));
      this.root.querySelector(".cards").append(...this.cards.map((card) => card.element));
    }

    // Draws what is stale: what is on the screen at once, the rest when there is time.
    async pump() {
      if (this.busy) return;
      this.busy = true;
      const waiting = () => this.cards.filter((card) => card.stale && !card.element.hidden);
      for (let cards = waiting(); cards.length; cards = waiting()) {
        const card = cards.find(({ visible }) => visible) ?? cards[0];
        if (!card.visible) await idle();
        await card.draw();
      }
      this.busy = false;
    }

    // Colour and opacity for each of the 256 samples that a map can have.
    colours(step, limit) {
      const table = new Float32Array(4 * 256);
      for (let sample = 0; sample < 256; sample++) {
        const value = ((sample << 24) >> 24) * step;
        const strength = Math.min(Math.abs(value) / limit, 1);
        const hidden = Math.abs(value) < this.threshold * limit;
        const colour = this.ramps[value < 0 ? "cold" : "warm"][Math.round(255 * strength)];
        table.set([...colour, hidden ? 0 : this.opacity * strength], 4 * sample);
      }
      return table;
    }

    legend() {
      const limit = this.limits[this.map];
      const unit = this.cards.find((card) => card.map)?.map.unit ?? "";
      const threshold = `${short(this.threshold * limit)} ${unit}`;
      const { elements } = this.form;
      this.form.querySelector(".threshold").textContent = threshold;
      elements.threshold.setAttribute("aria-valuetext", threshold);
      this.form.querySelector(".opacity").textContent = `${Math.round(100 * this.opacity)} %`;
      this.form.querySelector(".scale .low").textContent = short(-limit);
      this.form.querySelector(".scale .high").textContent = `${short(limit)} ${unit}`;
      const colours = this.colours(limit / 127, limit);
      const bar = new ImageData(256, 1);
      for (let x = 0; x < 256; x++) {
        const sample = (Math.round((x / 255) * 254) - 127) & 255;
        const [red, green, blue, alpha] = colours.subarray(4 * sample, 4 * sample + 4);
        bar.data.set([red, green, blue, 255 * alpha], 4 * x);
      }
      this.form.querySelector(".scale canvas").getContext("2d").putImageData(bar, 0, 0);
    }
  }

  for (const root of document.querySelectorAll(".viewer")) new Viewer(root);
  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
