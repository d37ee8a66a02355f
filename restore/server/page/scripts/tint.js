/** The mask as colour over the photo: only what changed is drawn, at the size of the screen. */
import { context, resized } from "./dom.js";
import { cursorLayer, tintLayer, view } from "./stage.js";

/** @typedef {import("./raster.js").Rect} Rect */

const COLOUR = 0xa03c5cff; // A B G R
/** @type {string} where the viewport was when all of it was drawn last */
let drawn = "";

/**
 * @param {import("./mask.js").Mask | null} mask
 * @param {boolean} shown
 */
export function tintAll(mask, shown) {
  const { width, height } = view.pane;
  const canvas = context(tintLayer);
  tintLayer.hidden = !mask || !shown;
  if (!mask || !shown) {
    drawn = "";
    return;
  }
  const place = [width, height, view.x, view.y, view.scale].join();
  if (place === drawn) return;
  resized(tintLayer, width, height);
  canvas.clearRect(0, 0, width, height);
  drawn = place;
  tint(mask, { left: 0, top: 0, right: mask.width, bottom: mask.height });
}

/** Draw all of it next time. */
export function forget() {
  drawn = "";
}

/**
 * Draw a part of the mask.
 * @param {import("./mask.js").Mask} mask
 * @param {Rect} rect of the photo's pixels
 */
export function tint(mask, rect) {
  const { x, y } = view.place;
  const { scale } = view;
  const left = Math.max(0, Math.floor(x + rect.left * scale) - 1);
  const top = Math.max(0, Math.floor(y + rect.top * scale) - 1);
  const right = Math.min(tintLayer.width, Math.ceil(x + rect.right * scale) + 1);
  const bottom = Math.min(tintLayer.height, Math.ceil(y + rect.bottom * scale) + 1);
  if (right <= left || bottom <= top) return;
  const image = new ImageData(right - left, bottom - top);
  const colours = new Uint32Array(image.data.buffer);
  const coarse = Math.floor(Math.log2(1 / scale) + 0.001);
  const level = Math.min(mask.levels.length - 1, Math.max(0, coarse));
  const { width, height, bits } = mask.levels[level];
  const pixel = 1 / (scale * 2 ** level);
  const columns = new Int32Array(right - left);
  for (let i = 0; i < columns.length; i += 1) {
    const column = Math.floor((left + i + 0.5 - x) * pixel);
    columns[i] = column < width ? column : -1;
  }
  for (let j = 0; j < bottom - top; j += 1) {
    const row = Math.floor((top + j + 0.5 - y) * pixel);
    if (row < 0 || row >= height) continue;
    const from = row * width;
    const to = j * (right - left);
    for (let i = 0; i < columns.length; i += 1) {
      if (columns[i] >= 0 && bits[from + columns[i]]) colours[to + i] = COLOUR;
    }
  }
  context(tintLayer).putImageData(image, left, top);
}

/**
 * The ring of the brush.
 * @param {{x: number, y: number} | null} at a place of the photo
 * @param {number} radius in the photo's pixels
 * @param {boolean} down
 */
export function ring(at, radius, down) {
  const dense = window.devicePixelRatio || 1;
  const { width, height } = view.pane;
  resized(cursorLayer, width * dense, height * dense);
  const canvas = context(cursorLayer);
  canvas.setTransform(dense, 0, 0, dense, 0, 0);
  canvas.clearRect(0, 0, width, height);
  if (!at) return;
  const [x, y] = [view.place.x + at.x * view.scale, view.place.y + at.y * view.scale];
  for (const [colour, thick] of [["rgb(0 0 0 / 70%)", 3.5], [down ? "#ff9a6b" : "#fff", 1.5]]) {
    canvas.beginPath();
    canvas.arc(x, y, Math.max(1.5, radius * view.scale), 0, 2 * Math.PI);
    canvas.moveTo(x - 3, y);
    canvas.lineTo(x + 3, y);
    canvas.moveTo(x, y - 3);
    canvas.lineTo(x, y + 3);
    canvas.strokeStyle = String(colour);
    canvas.lineWidth = Number(thick);
    canvas.stroke();
  }
}
