// A map as NIfTI-1: whole numbers of 8 bits with a scale, as the page has them.
async function nifti(samples, { shape, spacing, affine, millimetres }, step, description) {
  const OFFSET = 352, INT8 = 256, MILLIMETRES = 2, ALIGNED = 2;
  const bytes = new Uint8Array(OFFSET + samples.length), header = new DataView(bytes.buffer);
  const int16 = (at, ...values) => values.forEach((v, k) => header.setInt16(at + 2 * k, v, true));
  const float = (at, ...values) => values.forEach((v, k) => header.setFloat32(at + 4 * k, v, true));
  header.setInt32(0, 348, true);
  int16(40, 3, ...shape, 1, 1, 1, 1);
  int16(70, INT8, 8);
  float(76, 1, ...spacing);
  float(108, OFFSET, step, 0);
  header.setUint8(123, millimetres ? MILLIMETRES : 0);
  bytes.set(new TextEncoder().encode(description).subarray(0, 79), 148);
  int16(254, ALIGNED);
  affine.slice(0, 3).forEach((row, k) => float(280 + 16 * k, ...row));
  bytes.set(new TextEncoder().encode("n+1"), 344);
  for (let at = 0; at < samples.length; at++) bytes[OFFSET + at] = samples[at] - ZERO;
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Blob([await new Response(stream).arrayBuffer()], { type: "application/gzip" });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
