const ZERO = 128; // the sample of a map's zero

const idle = () => new Promise((done) => {
  if (window.requestIdleCallback) requestIdleCallback(done, { timeout: 100 });
  else setTimeout(done);
});
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
const short = (value) => signed(value, Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);

function make(tag, parent, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
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

// The edges of a mask in a plane, as a path in pixels. `inside` is asked within the plane only.
function outline(inside, width, height) {
  const parts = [];
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && inside(x, y);
  for (let y = 0; y <= height; y++) {
    for (let x = 0, start = -1; x <= width; x++) {
      const edge = x < width && at(x, y - 1) !== at(x, y);
      if (edge && start < 0) start = x;
      if (!edge && start >= 0) {
        parts.push(`M${start} ${y}H${x}`);
        start = -1;
      }
    }
  }
  for (let x = 0; x <= width; x++) {
    for (let y = 0, start = -1; y <= height; y++) {
      const edge = y < height && at(x - 1, y) !== at(x, y);
      if (edge && start < 0) start = y;
      if (!edge && start >= 0) {
        parts.push(`M${x} ${start}V${y}`);
        start = -1;
      }
    }
  }
  return parts.join("");
}
