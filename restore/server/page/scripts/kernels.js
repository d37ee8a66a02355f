/** Pictures of kernels: straight motion, disk and Gaussian, drawn as the service draws them. */

const SHEET = 620; // pixels that a sheet is wide: two for one of the screen
const GAP = 6;

/**
 * @param {string} kind
 * @param {{[name: string]: number}} numbers
 * @returns {{size: number, weights: Float64Array}} of sum one, odd and centred
 */
export function drawn(kind, numbers) {
  if (kind === "motion") return motion(numbers.length, numbers.angle);
  if (kind === "disk") return disk(numbers.radius);
  return gaussian(numbers.sigma);
}

/**
 * @param {number} half
 * @param {(x: number, y: number) => number} weight
 */
function grid(half, weight) {
  const size = 2 * half + 1;
  const weights = new Float64Array(size * size);
  let sum = 0;
  for (let y = -half; y <= half; y += 1) {
    for (let x = -half; x <= half; x += 1) {
      const value = weight(x, y);
      weights[(y + half) * size + x + half] = value;
      sum += value;
    }
  }
  return { size, weights: weights.map((value) => value / sum) };
}

/** @param {number} length @param {number} angle counter-clockwise, in degrees */
function motion(length, angle) {
  const reach = Math.max(length - 1, 0) / 2;
  const [c, s] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return grid(Math.ceil(reach), (x, y) => {
    const along = Math.abs(x * c - y * s);
    const across = x * s + y * c;
    return Math.max(0, 1 - Math.hypot(Math.max(0, along - reach), across));
  });
}

/** @param {number} radius */
function disk(radius) {
  const points = 9;
  return grid(Math.ceil(radius), (x, y) => {
    let inside = 0;
    for (let j = -4; j <= 4; j += 1) {
      for (let i = -4; i <= 4; i += 1) {
        const distance = Math.hypot(x * points + i, y * points + j);
        inside += Math.min(1, Math.max(0, points * radius + 0.5 - distance));
      }
    }
    return inside;
  });
}

/** @param {number} sigma */
function gaussian(sigma) {
  return grid(Math.floor(4 * sigma + 0.5), (x, y) => Math.exp(-(x * x + y * y) / (2 * sigma ** 2)));
}

/**
 * Show weights on a canvas, the largest white.
 * @param {HTMLCanvasElement} canvas
 * @param {number} size
 * @param {ArrayLike<number>} weights
 */
export function showWeights(canvas, size, weights) {
  canvas.width = canvas.height = size;
  canvas.getContext("2d")?.putImageData(shades(size, weights, largest(weights)), 0, 0);
}

/**
 * Show the kernels of the parts of a photo, each in its place, on one scale of brightness.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./kernelfile.js").Kernels} kernels
 */
export function showSheet(canvas, { rows, columns, cells }) {
  const side = Math.floor((SHEET - GAP * (columns - 1)) / columns);
  canvas.width = columns * (side + GAP) - GAP;
  canvas.height = rows * (side + GAP) - GAP;
  const context = canvas.getContext("2d");
  const most = Math.max(...cells.map(({ weights }) => largest(weights)));
  cells.forEach(({ size, weights }, place) => {
    const own = new OffscreenCanvas(size, size);
    own.getContext("2d")?.putImageData(shades(size, weights, most), 0, 0);
    const [row, column] = [Math.floor(place / columns), place % columns];
    if (context) context.imageSmoothingEnabled = size > side;
    context?.drawImage(own, column * (side + GAP), row * (side + GAP), side, side);
  });
}

/** @param {ArrayLike<number>} weights @returns {number} never zero */
const largest = (weights) => Array.from(weights).reduce((most, each) => Math.max(most, each), 0)
  || 1;

/**
 * @param {number} size
 * @param {ArrayLike<number>} weights
 * @param {number} most what is white
 */
function shades(size, weights, most) {
  const image = new ImageData(size, size);
  for (let i = 0; i < size * size; i += 1) {
    const value = 255 * Math.sqrt(weights[i] / most);
    image.data.set([value, value, value, 255], 4 * i);
  }
  return image;
}

/**
 * Weights as a PNG of 8 bits.
 * @param {number} size
 * @param {ArrayLike<number>} weights
 */
export async function pictureOf(size, weights) {
  const canvas = new OffscreenCanvas(size, size);
  const image = new ImageData(size, size);
  let most = 0;
  for (let i = 0; i < size * size; i += 1) most = Math.max(most, weights[i]);
  for (let i = 0; i < size * size; i += 1) {
    const value = Math.round((255 * weights[i]) / (most || 1));
    image.data.set([value, value, value, 255], 4 * i);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
