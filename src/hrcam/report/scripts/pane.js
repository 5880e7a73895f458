// Axes of a volume in RAS+ order: across the screen, down it, and through it. Anterior and superior
// are on top; whether right is on the left is a choice of the reader.
const PLANES = [
  { name: "axial", axes: [0, 1, 2], ends: ["A", "P"] },
  { name: "coronal", axes: [0, 2, 1], ends: ["S", "I"] },
  { name: "sagittal", axes: [1, 2, 0], ends: ["S", "I"] },
];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LARGEST_ZOOM = 16;
const WHEEL = 50; // pixels of scrolling for one slice

// One plane of a card: what it shows, and where the crosshair is in it.
class Pane {
  // `view` is the zoom and place that panes of one plane share.
  constructor(card, row, plane, overlaid, view) {
    Object.assign(this, { card, overlaid, view, axes: plane.axes, name: plane.name });
    const [across, down, through] = this.axes;
    const { shape, spacing } = card.grid;
    this.width = shape[across];
    this.height = shape[down];
    const ratio = (this.width * spacing[across]) / (this.height * spacing[down]);
    const figure = make("figure", row, { class: "plane" });
    figure.style.flex = `${this.width * spacing[across]} 1 0`; // one scale for all planes of a row
    figure.style.setProperty("--ratio", ratio);
    this.frame = make("div", figure, { class: "frame" });
    this.frame.style.aspectRatio = ratio;
    this.stage = make("div", this.frame, { class: "stage" });
    this.canvas = make("canvas", this.stage, {
      width: this.width, height: this.height, tabindex: 0, role: "application",
      "aria-label": `${plane.name} of ${card.element.dataset.name}; arrow keys move, `
        + "plus and minus zoom, 0 shows all",
    });
    this.stage.insertAdjacentHTML("beforeend", `<svg viewBox="0 0 ${this.width} ${this.height}"
      preserveAspectRatio="none" aria-hidden="true"><path class="findings"/><path class="truth"/><path class="grid"/></svg>`);
    this.outlines = [...this.stage.querySelectorAll("path")];
    this.lines = ["down", "across"].map((name) => make("i", this.stage, { class: name }));
    if (card.grid.millimetres) {
      this.sides = ["left", "right"].map((side) => make("b", this.frame, { class: side }));
      ["top", "bottom"].forEach((side, k) => {
        make("b", this.frame, { class: side }).textContent = plane.ends[k];
      });
    }
    this.caption = make("figcaption", figure);
    if (card.volume && overlaid) {
      this.slice = make("input", figure, {
        class: "slice", type: "range", min: 0, max: shape[through] - 1,
        "aria-label": `${plane.name} slice`,
      });
      this.slice.addEventListener("input", () => card.move(through, Number(this.slice.value)));
    }
    this.listen();
    this.place();
  }

  listen() {
    const { canvas, card } = this;
    canvas.addEventListener("click", (event) => {
      if (!event.shiftKey) this.point(event);
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse") return;
      this.action = event.button === 2 ? "window" : event.button || event.shiftKey ? "pan" : "point";
      this.last = event;
      canvas.setPointerCapture(event.pointerId);
      if (event.button) event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => { this.action = undefined; });
    }
    canvas.addEventListener("pointerleave", () => card.tell());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  // Between a place on the screen and a voxel, along one axis; its own inverse.
  turned(axis, index) {
    const { grid, viewer } = this.card;
    const flipped = grid.millimetres && (axis || viewer.radiological);
    return flipped ? grid.shape[axis] - 1 - index : index;
  }

  voxel(event) {
    const box = this.canvas.getBoundingClientRect();
    const [across, down] = this.axes, voxel = [...this.card.cross];
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.height);
    voxel[across] = this.turned(across, x);
    voxel[down] = this.turned(down, y);
    return voxel;
  }

  point(event) {
    this.card.go(this.voxel(event));
  }

  drag(event) {
    if (event.pointerType !== "mouse") return;
    if (!this.action) {
      this.card.tell(this.voxel(event));
      return;
    }
    const box = this.frame.getBoundingClientRect();
    const right = (event.clientX - this.last.clientX) / box.width;
    const down = (event.clientY - this.last.clientY) / box.height;
    this.last = event;
    if (this.action === "point") this.point(event);
    else if (this.action === "window") this.card.viewer.shiftWindow(right, down);
    else this.pan(right, down);
  }

  wheel(event) {
    const amount = event.deltaY * (event.deltaMode ? WHEEL : 1);
    if (event.ctrlKey) this.zoom(Math.exp(-amount / 200), event);
    else if (this.card.volume) {
      this.scrolled = (this.scrolled ?? 0) + amount;
      const steps = Math.trunc(this.scrolled / WHEEL);
      this.scrolled -= steps * WHEEL;
      if (steps) this.card.move(this.axes[2], this.card.cross[this.axes[2]] - steps);
    } else return; // of a picture the wheel scrolls the page
    event.preventDefault();
  }

  press(event) {
    const [across, down, through] = this.axes, cross = [...this.card.cross];
    if (event.key in ARROWS) {
      const [x, y] = ARROWS[event.key];
      if (event.shiftKey) this.pan(-x / 10, -y / 10);
      else {
        cross[across] = this.turned(across, this.turned(across, cross[across]) + x);
        cross[down] = this.turned(down, this.turned(down, cross[down]) + y);
        this.card.go(cross);
      }
    } else if (this.card.volume && (event.key === "PageUp" || event.key === "PageDown")) {
      this.card.move(through, cross[through] + (event.key === "PageUp" ? 1 : -1));
    } else if (event.key === "+" || event.key === "=") this.zoom(1.25);
    else if (event.key === "-") this.zoom(0.8);
    else if (event.key === "0") this.zoom(0);
    else return;
    event.preventDefault();
  }

  // Zoom about a place that stays where it is: that of an event, or the crosshair.
  zoom(factor, event) {
    const { view } = this, box = this.frame.getBoundingClientRect();
    const [across, down] = this.axes, { cross } = this.card;
    const place = event
      ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      : [
        view.x + (view.zoom * (this.turned(across, cross[across]) + 0.5)) / this.width,
        view.y + (view.zoom * (this.turned(down, cross[down]) + 0.5)) / this.height,
      ];
    const zoom = clamp(view.zoom * factor, 1, LARGEST_ZOOM);
    view.x = place[0] - ((place[0] - view.x) * zoom) / view.zoom;
    view.y = place[1] - ((place[1] - view.y) * zoom) / view.zoom;
    view.zoom = zoom;
    this.pan(0, 0);
  }

  pan(x, y) {
    const { view } = this;
    view.x = clamp(view.x + x, 1 - view.zoom, 0);
    view.y = clamp(view.y + y, 1 - view.zoom, 0);
    for (const pane of this.card.panes) pane.place();
  }

  place() {
    const { x, y, zoom } = this.view;
    this.stage.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${zoom})`;
    this.stage.style.setProperty("--zoom", zoom);
  }

  // The index of the voxel at each pixel, row by row.
  *rows() {
    const { shape } = this.card.grid, [across, down, through] = this.axes;
    const strides = [1, shape[0], shape[0] * shape[1]];
    const start = this.turned(across, 0), step = strides[across] * (start ? -1 : 1);
    const fixed = this.card.cross[through] * strides[through] + start * strides[across];
    for (let y = 0; y < this.height; y++) {
      yield [fixed + this.turned(down, y) * strides[down], step];
    }
  }

  paint({ image, map, masks }, colours, greys) {
    this.picture ??= new ImageData(this.width, this.height);
    const { data } = this.picture;
    let at = 0;
    for (const [start, step] of this.rows()) {
      for (let x = 0, voxel = start; x < this.width; x++, voxel += step, at += 4) {
        const grey = image ? greys[image[voxel]] : 90, colour = 4 * map[voxel];
        const alpha = this.overlaid ? colours[colour + 3] : 0;
        for (let k = 0; k < 3; k++) data[at + k] = grey + alpha * (colours[colour + k] - grey);
        data[at + 3] = 255;
      }
    }
    this.canvas.getContext("2d").putImageData(this.picture, 0, 0);
    const rows = [...this.rows()];
    for (const path of this.outlines) {
      const mask = this.overlaid && masks[path.getAttribute("class")];
      const inside = (x, y) => mask[rows[y][0] + x * rows[y][1]] > 0;
      path.setAttribute("d", mask ? outline(inside, this.width, this.height) : "");
    }
  }

  mark() {
    const { cross, grid, picked, volume, viewer } = this.card, [across, down, through] = this.axes;
    [across, down].forEach((axis, k) => {
      const share = (100 * (this.turned(axis, cross[axis]) + 0.5)) / grid.shape[axis];
      this.lines[k].style[k ? "top" : "left"] = `${share}%`;
      this.lines[k].hidden = !picked;
    });
    if (this.sides) {
      const names = across ? ["A", "P"] : viewer.radiological ? ["R", "L"] : ["L", "R"];
      this.sides.forEach((side, k) => { side.textContent = names[k]; });
    }
    const alone = this.overlaid ? "" : ", image alone";
    this.caption.textContent = volume
      ? `${this.name}, slice ${cross[through] + 1} of ${grid.shape[through]}${alone}` : this.name;
    if (!this.slice) return;
    this.slice.value = cross[through];
    this.slice.setAttribute("aria-valuetext", this.card.position());
  }
}
