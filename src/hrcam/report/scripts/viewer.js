// All cards of a chapter, and their controls.
class Viewer {
  constructor(root) {
    this.root = root;
    this.forms = [...root.querySelectorAll("form")];
    this.limits = JSON.parse(root.dataset.limits);
    this.thresholds = JSON.parse(root.dataset.thresholds);
    this.isGroup = !root.querySelector(".finder");
    this.pageSize = Number(root.dataset.page);
    this.page = 0;
    const { warm, cold } = JSON.parse(root.dataset.ramps);
    this.ramps = { warm: ramp(warm), cold: ramp(cold) };
    this.cards = [...root.querySelectorAll(".card")].map((element) => new Card(this, element));
    this.named = new Map(this.cards.map((card) => [card.element, card]));
    const observer = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "400px" });
    for (const { element } of this.cards) observer.observe(element);
    for (const form of this.forms) {
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", (event) => this.change(event.target.name));
    }
    root.querySelector(".reset").addEventListener("click", () => this.reset());
    for (const button of root.querySelectorAll(".pager button")) {
      button.addEventListener("click", () => this.turn(Number(button.dataset.by)));
    }
    this.change("order");
  }

  input(name) { return this.root.querySelector(`form [name="${name}"]`); }
  value(name) { return this.input(name)?.value ?? ""; }

  get map() { return this.root.querySelector(".maps input:checked").value; }
  get ofClass() { return this.value("of"); }
  get radiological() { return this.value("sides") !== "neurological"; }
  outlined(name) { return Boolean(this.input(name)?.checked); }

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
    if (name === "threshold") this.thresholdChosen = true;
    if (!this.thresholdChosen) this.input("threshold").value = this.thresholds[this.map];
    this.threshold = Number(this.value("threshold"));
    this.opacity = Number(this.value("opacity"));
    this.legend();
    if (name === "order") this.sort();
    if (["search", "label", "outcome", "seen", "order"].includes(name)) this.page = 0;
    this.filter();
  }

  filter() {
    const wanted = this.value("search").trim().toLowerCase();
    const found = this.cards.filter(({ element: { dataset }, map }) => map
      && (!wanted || `${dataset.name}\n${dataset.subtitle}`.toLowerCase().includes(wanted))
      && ["label", "outcome", "seen"].every(
        (name) => !this.value(name) || this.value(name) === dataset[name]));
    const pages = Math.max(Math.ceil(found.length / this.pageSize), 1);
    this.page = Math.min(this.page, pages - 1);
    const start = this.page * this.pageSize;
    const shown = new Set(found.slice(start, start + this.pageSize));
    for (const card of this.cards) {
      card.element.hidden = !shown.has(card);
      if (!shown.has(card)) continue;
      card.build(this.input("beside").checked);
      card.spoil();
    }
    const count = this.root.querySelector(".count");
    if (count) count.textContent = `${found.length} of ${this.cards.length} scans`;
    for (const pager of this.root.querySelectorAll(".pager")) {
      pager.hidden = pages === 1;
      pager.querySelector(".place").textContent = `page ${this.page + 1} of ${pages}`;
      const [before, after] = pager.querySelectorAll("button");
      before.disabled = this.page === 0;
      after.disabled = this.page === pages - 1;
    }
    this.pump();
  }

  turn(by) {
    this.page += by;
    this.filter();
    this.root.querySelector(".cards").scrollIntoView({ block: "nearest" });
  }

  sort() {
    const order = this.value("order") || "name";
    if (order === "name" && !this.sorted) return;
    const places = this.sorted ??= [...this.cards]; // as they came: by name
    const sign = { name: 0, sure: -1, unsure: 1 }[order];
    const confidence = (card) => Number(card.element.dataset.confidence);
    this.cards = [...places].sort((a, b) => sign * (confidence(a) - confidence(b)));
    this.root.querySelector(".cards").append(...this.cards.map((card) => card.element));
  }

  reset() {
    for (const name of ["width", "level"]) this.input(name).value = this.input(name).defaultValue;
    for (const card of this.cards) card.showAll();
    this.change("level");
  }

  // To the right is more contrast, downwards is darker, as shares of a plane.
  shiftWindow(right, down) {
    const width = this.input("width"), level = this.input("level");
    width.value = Number(width.value) * Math.exp(-2 * right);
    level.value = Number(level.value) + down * Number(width.value);
    this.change("level");
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

  // Grey of each of the 256 samples that an image can have.
  greys({ range: [low, high], window: [dark, bright] }) {
    const width = Number(this.value("width")), level = Number(this.value("level"));
    const table = new Uint8ClampedArray(256);
    for (let sample = 0; sample < 256; sample++) {
      const value = low + (sample / 255) * (high - low);
      const share = bright > dark ? (value - dark) / (bright - dark) : 0;
      table[sample] = 255 * ((share - level) / width + 0.5);
    }
    return table;
  }

  // Colour and opacity for each of the 256 samples that a map can have.
  colours(step, limit) {
    const table = new Float32Array(4 * 256);
    for (let sample = 0; sample < 256; sample++) {
      const value = (sample - ZERO) * step;
      const strength = Math.min(Math.abs(value) / limit, 1);
      const hidden = Math.abs(value) < this.threshold * limit;
      const colour = this.ramps[value < 0 ? "cold" : "warm"][Math.round(255 * strength)];
      table.set([...colour, hidden ? 0 : this.opacity * strength], 4 * sample);
    }
    return table;
  }

  legend() {
    const { map, root } = this, limit = this.limits[map];
    const unit = this.cards.find((card) => card.map)?.map.unit ?? "";
    const say = (name, text) => {
      root.querySelector(`output.${name}`).textContent = text;
      this.input(name).setAttribute("aria-valuetext", text);
    };
    say("threshold", `${short(this.threshold * limit)} ${unit}`);
    say("opacity", `${Math.round(100 * this.opacity)} %`);
    for (const name of ["width", "level"]) say(name, `${Math.round(100 * this.value(name))} %`);
    root.querySelector(".scale .low").textContent = short(-limit);
    root.querySelector(".scale .high").textContent = `${short(limit)} ${unit}`;
    const convention = root.querySelector(".convention");
    if (convention) {
      convention.textContent = this.radiological
        ? "Radiological convention: the right of the subject is on the left."
        : "Neurological convention: the right of the subject is on the right.";
    }
    const colours = this.colours(limit / 127, limit);
    const bar = new ImageData(255, 1);
    for (let x = 0; x < 255; x++) {
      const [red, green, blue, alpha] = colours.subarray(4 * (x + 1), 4 * (x + 2));
      bar.data.set([red, green, blue, 255 * alpha], 4 * x);
    }
    root.querySelector(".scale canvas").getContext("2d").putImageData(bar, 0, 0);
  }
}

for (const root of document.querySelectorAll(".viewer")) new Viewer(root);
// On paper nothing can be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
