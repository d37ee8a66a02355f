/** A mask as a PNG of one bit a pixel, white where it is set. */

/** @type {Uint32Array | null} */
let table = null;

function crcTable() {
  const made = new Uint32Array(256);
  for (let n = 0; n < 256; n += 1) {
    let c = n;
    for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    made[n] = c >>> 0;
  }
  return made;
}

/** @param {Uint8Array} bytes */
function crc(bytes) {
  table ??= crcTable();
  let c = 0xffffffff;
  for (const byte of bytes) c = table[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/**
 * @param {string} kind
 * @param {Uint8Array} data
 */
function chunk(kind, data) {
  const made = new Uint8Array(data.length + 12);
  const numbers = new DataView(made.buffer);
  numbers.setUint32(0, data.length);
  made.set(new TextEncoder().encode(kind), 4);
  made.set(data, 8);
  numbers.setUint32(data.length + 8, crc(made.subarray(4, data.length + 8)));
  return made;
}

/**
 * @param {Uint8Array} bits one byte a pixel, 0 or 1
 * @param {number} width
 * @param {number} height
 * @returns {Promise<Blob>}
 */
export async function encoded(bits, width, height) {
  const stride = 1 + Math.ceil(width / 8);
  const rows = new Uint8Array(stride * height);
  for (let y = 0; y < height; y += 1) {
    const [from, to] = [y * width, y * stride + 1];
    for (let x = 0; x < width; x += 1) {
      if (bits[from + x]) rows[to + (x >> 3)] |= 128 >> (x & 7);
    }
  }
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const header = new Uint8Array(13);
  const numbers = new DataView(header.buffer);
  numbers.setUint32(0, width);
  numbers.setUint32(4, height);
  header[8] = 1;
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const parts = [chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array())];
  return new Blob([signature, ...parts], { type: "image/png" });
}

/**
 * The bits of a picture: white, from half grey on; what is transparent counts as black.
 * @param {Blob} file
 * @param {number} width that it must have
 * @param {number} height
 * @returns {Promise<Uint8Array | string>} or its size, where that is another
 */
export async function decoded(file, width, height) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  if (bitmap.width !== width || bitmap.height !== height) {
    return `${bitmap.width} × ${bitmap.height}`;
  }
  const bits = new Uint8Array(width * height);
  const tall = Math.max(1, Math.floor(2 ** 21 / width));
  const canvas = new OffscreenCanvas(width, Math.min(tall, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no 2D canvas");
  for (let top = 0; top < height; top += tall) {
    const rows = Math.min(tall, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    const { data } = context.getImageData(0, 0, width, rows);
    for (let i = 0; i < width * rows; i += 1) {
      const sum = (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) * data[4 * i + 3];
      bits[top * width + i] = sum >= 1.5 * 255 * 255 ? 1 : 0;
    }
  }
  bitmap.close();
  return bits;
}
