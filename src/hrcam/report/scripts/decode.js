// Undoes `pack` of hrcam.report.viewer.packing: samples of (x, y, z), x fastest.
async function unpack(text, shape) {
  const binary = atob(text.slice(1));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const samples = new Uint8Array(await new Response(stream).arrayBuffer());
  addPredictions(samples, shape, text[0] === "p");
  return samples;
}

function addPredictions(samples, [width, height, depth], plane) {
  const nothing = new Uint8Array(width), slice = width * height;
  for (let z = 0, at = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, at += width) {
      const row = samples.subarray(at, at + width);
      const up = y ? samples.subarray(at - width, at) : nothing;
      const back = z ? samples.subarray(at - slice, at - slice + width) : nothing;
      const upBack = y && z ? samples.subarray(at - slice - width, at - slice) : nothing;
      let a = 0, ab = 0, ac = 0;
      for (let x = 0; x < width; x++) {
        const b = up[x], c = back[x];
        let predicted;
        if (plane) predicted = z ? (2 * (a + b + c) - ab - ac - upBack[x]) / 3 : a + b - ab;
        else predicted = z ? (a + b + c) / 3 : (a + b) / 2;
        row[x] += Math.min(Math.max(predicted, 0), 255) | 0;
        a = row[x];
        ab = b;
        ac = c;
      }
    }
  }
}
