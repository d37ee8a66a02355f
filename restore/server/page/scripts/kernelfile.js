/** Kernels out of files: a picture, a sheet of pictures side by side, or an array of numpy. */

/**
 * @typedef {{size: number, weights: Float64Array}} Kernel square, its rows one after the other
 * @typedef {{rows: number, columns: number, cells: Kernel[]}} Kernels of equal parts of a photo
 */
const PNG = 0x89504e47;
const NUMPY = 0x934e554d;
/** @type {{[kind: string]: [number, (view: DataView, at: number, little: boolean) => number]}} */
const READ = {
  b1: [1, (view, at) => view.getUint8(at)],
  u1: [1, (view, at) => view.getUint8(at)],
  i1: [1, (view, at) => view.getInt8(at)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  f2: [2, (view, at, little) => half(view.getUint16(at, little))],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
};

/**
 * The kernels of a file; an error where there are none.
 * @param {Blob} file
 * @returns {Promise<Kernels>}
 */
export async function kernelsOf(file) {
  const view = new DataView(await file.arrayBuffer());
  const sign = view.byteLength > 16 ? view.getUint32(0) : 0;
  if (sign === NUMPY) return parted(array(view));
  const [rows, columns] = sign === PNG ? noted(view) : [1, 1];
  return parted(await picture(file, rows, columns));
}

/** @param {number} bits a number of 16 bits */
function half(bits) {
  const [power, rest] = [(bits >> 10) & 31, bits & 1023];
  const size = power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024);
  return bits >> 15 ? -size : size;
}

/**
 * @typedef {{shape: number[], at: (row: number, column: number, y: number, x: number) => number}}
 *   Grid kernels (R, C, kh, kw)
 */

/** @param {DataView} view of a file of numpy @returns {Grid} */
function array(view) {
  const [start, room] = view.getUint8(6) < 2 ? [10, view.getUint16(8, true)]
    : [12, view.getUint32(8, true)];
  const head = new TextDecoder().decode(new Uint8Array(view.buffer, start, room));
  const [, order, kind] = /'descr': *'([<>|=])(\w+)'/.exec(head) ?? [];
  const sides = /'shape': *\(([\d, ]*)\)/.exec(head)?.[1] ?? "";
  const own = sides.split(",").map(Number).filter((side) => side > 0);
  const shape = own.length === 2 ? [1, 1, ...own] : own;
  if (!(kind in READ) || shape.length !== 4) throw new Error("no kernel");
  const [bytes, read] = READ[kind];
  const columnsFirst = /'fortran_order': *True/.test(head);
  const steps = shape.map((_, axis) => (columnsFirst ? shape.slice(0, axis) : shape.slice(axis + 1))
    .reduce((product, side) => product * side, 1));
  return {
    shape,
    at: (...place) => read(view, start + room + bytes * place.reduce(
      (sum, index, axis) => sum + index * steps[axis], 0), order !== ">"),
  };
}

/**
 * How many kernels a picture holds: this project's own say it in a text.
 * @param {DataView} view
 * @returns {[number, number]}
 */
function noted(view) {
  for (let at = 8; at + 8 < view.byteLength;) {
    const length = view.getUint32(at);
    const text = new TextDecoder("latin1").decode(
      new Uint8Array(view.buffer, at + 4, Math.min(200, length + 4, view.byteLength - at - 4)));
    const found = /^(?:tEXt|iTXt)photomend\0.*"kernels": *\[(\d+), *(\d+)\]/s.exec(text);
    if (found) return [Number(found[1]), Number(found[2])];
    at += 12 + length;
  }
  return [1, 1];
}

/**
 * @param {Blob} file
 * @param {number} rows
 * @param {number} columns
 * @returns {Promise<Grid>}
 */
async function picture(file, rows, columns) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (!context) throw new Error("no 2D canvas");
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const [tall, wide] = [Math.floor(height / rows), Math.floor(width / columns)];
  return {
    shape: [rows, columns, tall, wide],
    at: (row, column, y, x) => data[4 * ((row * tall + y) * width + column * wide + x)] / 255,
  };
}

/** Each kernel in the middle of a square. @param {Grid} grid @returns {Kernels} */
function parted({ shape: [rows, columns, height, width], at }) {
  const size = Math.max(height, width);
  const [top, left] = [(size - height) >> 1, (size - width) >> 1];
  const cells = [];
  for (let part = 0; part < rows * columns; part += 1) {
    const weights = new Float64Array(size * size);
    const [row, column] = [Math.floor(part / columns), part % columns];
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        weights[(top + y) * size + left + x] = Math.max(0, at(row, column, y, x));
      }
    }
    cells.push({ size, weights });
  }
  return { rows, columns, cells };
}
