/** Pictures of kernels: straight motion, disk and Gaussian, drawn as the service draws them. */

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
  const image = new ImageData(size, size);
  let most = 0;
  for (let i = 0; i < size * size; i += 1) most = Math.max(most, weights[i]);
  for (let i = 0; i < size * size; i += 1) {
    const value = 255 * Math.sqrt(weights[i] / (most || 1));
    image.data.set([value, value, value, 255], 4 * i);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/**
 * Weights of a picture of a kernel, in [0, 1].
 * @param {Blob} file
 */
export async function weightsOf(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const size = Math.max(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no 2D canvas");
  context.fillRect(0, 0, size, size);
  context.drawImage(bitmap, (size - bitmap.width) >> 1, (size - bitmap.height) >> 1);
  const { data } = context.getImageData(0, 0, size, size);
  const weights = new Float64Array(size * size);
  for (let i = 0; i < size * size; i += 1) weights[i] = data[4 * i] / 255;
  return { size, weights };
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
