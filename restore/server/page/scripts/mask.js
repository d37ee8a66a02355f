/**
 * What is to be filled: one byte a pixel, with smaller copies for the eye, and every change undone
 * by the tiles that it touched, kept as runs.
 */
import { joined, sweep } from "./raster.js";

/** @typedef {import("./raster.js").Rect} Rect */
/** @typedef {Map<number, Uint32Array>} Change the tiles as they were */

const TILE = 256;
const DEEPEST = 4;
const STEPS = 200;

export class Mask {
  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.across = Math.ceil(width / TILE);
    /** @type {{width: number, height: number, bits: Uint8Array}[]} each half of the one before */
    this.levels = [];
    for (let level = 0; level <= DEEPEST; level += 1) {
      const [w, t] = [Math.ceil(width / 2 ** level), Math.ceil(height / 2 ** level)];
      this.levels.push({ width: w, height: t, bits: new Uint8Array(w * t) });
    }
    this.count = 0;
    /** @type {Map<number, Uint8Array>} tiles as they were before the stroke under way */
    this.touched = new Map();
    /** @type {Change[]} */
    this.undone = [];
    /** @type {Change[]} */
    this.done = [];
  }

  get bits() {
    return this.levels[0].bits;
  }

  /** @returns {Rect} */
  get whole() {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  /**
   * A piece of a stroke; `commit` ends it.
   * @param {number} x0
   * @param {number} y0
   * @param {number} x1
   * @param {number} y1
   * @param {number} radius
   * @param {0 | 1} value
   */
  stroke(x0, y0, x1, y1, radius, value) {
    const reach = sweep(x0, y0, x1, y1, radius, this.width, this.height, () => {});
    this.#touch(reach);
    const { bits, width, height } = this.levels[0];
    sweep(x0, y0, x1, y1, radius, width, height, (y, from, to) => {
      bits.fill(value, y * width + from, y * width + to);
    });
    this.#shrink(reach);
    return reach;
  }

  /** End a change; whether there was any. */
  commit() {
    const change = this.#kept();
    this.touched.clear();
    if (!change.size) return false;
    this.done.push(change);
    if (this.done.length > STEPS) this.done.shift();
    this.undone = [];
    return true;
  }

  /** Take back the change under way. */
  abandon() {
    const change = this.#kept();
    this.touched.clear();
    return this.#swap(change).rect;
  }

  /** @returns {Rect | null} what changed */
  undo() {
    return this.#move(this.done, this.undone);
  }

  /** @returns {Rect | null} */
  redo() {
    return this.#move(this.undone, this.done);
  }

  invert() {
    this.rewrite((old) => {
      for (let i = 0; i < old.length; i += 1) old[i] ^= 1;
    });
  }

  /**
   * Change all of it in one step.
   * @param {(bits: Uint8Array) => void} work
   */
  rewrite(work) {
    this.#touch(this.whole);
    work(this.bits);
    this.commit();
    this.#shrink(this.whole);
  }

  /**
   * @param {Change[]} from
   * @param {Change[]} to
   */
  #move(from, to) {
    const change = from.pop();
    if (!change) return null;
    const { rect, before } = this.#swap(change);
    to.push(before);
    return rect;
  }

  /** @param {number} tile @returns {Rect} */
  #place(tile) {
    const [left, top] = [(tile % this.across) * TILE, Math.floor(tile / this.across) * TILE];
    const right = Math.min(this.width, left + TILE);
    return { left, top, right, bottom: Math.min(this.height, top + TILE) };
  }

  /** @param {number} tile */
  #tile(tile) {
    const { left, top, right, bottom } = this.#place(tile);
    const copy = new Uint8Array((right - left) * (bottom - top));
    for (let y = top; y < bottom; y += 1) {
      const row = this.bits.subarray(y * this.width + left, y * this.width + right);
      copy.set(row, (y - top) * (right - left));
    }
    return copy;
  }

  /** @param {Rect} rect */
  #touch(rect) {
    for (let row = Math.floor(rect.top / TILE); row * TILE < rect.bottom; row += 1) {
      for (let column = Math.floor(rect.left / TILE); column * TILE < rect.right; column += 1) {
        const tile = row * this.across + column;
        if (!this.touched.has(tile)) this.touched.set(tile, this.#tile(tile));
      }
    }
  }

  /** The tiles that are not as they were, as they were; keeps the count. */
  #kept() {
    /** @type {Change} */
    const change = new Map();
    for (const [tile, old] of this.touched) {
      const now = this.#tile(tile);
      let differs = false;
      for (let i = 0; i < old.length; i += 1) {
        this.count += now[i] - old[i];
        differs ||= now[i] !== old[i];
      }
      if (differs) change.set(tile, packed(old));
    }
    return change;
  }

  /** @param {Change} change */
  #swap(change) {
    /** @type {Change} */
    const before = new Map();
    /** @type {Rect} */
    let rect = { left: this.width, top: this.height, right: 0, bottom: 0 };
    for (const [tile, runs] of change) {
      const place = this.#place(tile);
      const wide = place.right - place.left;
      const now = this.#tile(tile);
      before.set(tile, packed(now));
      const old = unpacked(runs, now.length);
      for (let i = 0; i < old.length; i += 1) this.count += old[i] - now[i];
      for (let y = place.top; y < place.bottom; y += 1) {
        const from = (y - place.top) * wide;
        this.bits.set(old.subarray(from, from + wide), y * this.width + place.left);
      }
      rect = joined(rect, place);
    }
    if (change.size) this.#shrink(rect);
    return { rect, before };
  }

  /** Bring the smaller copies up to date: white where any of four is. @param {Rect} rect */
  #shrink(rect) {
    let { left, top, right, bottom } = rect;
    for (let level = 1; level < this.levels.length; level += 1) {
      const { width: wide, height: tall, bits: from } = this.levels[level - 1];
      const { width, height, bits } = this.levels[level];
      [left, top] = [left >> 1, top >> 1];
      [right, bottom] = [Math.min(width, (right + 1) >> 1), Math.min(height, (bottom + 1) >> 1)];
      for (let y = top; y < bottom; y += 1) {
        const above = 2 * y * wide;
        const below = Math.min(2 * y + 1, tall - 1) * wide;
        for (let x = left; x < right; x += 1) {
          const [a, b] = [2 * x, Math.min(2 * x + 1, wide - 1)];
          bits[y * width + x] = from[above + a] | from[above + b] | from[below + a]
            | from[below + b];
        }
      }
    }
  }
}

/** Lengths of runs, the first of zeros. @param {Uint8Array} bits */
export function packed(bits) {
  const runs = [];
  for (let [from, value] = [0, 0]; from < bits.length; value ^= 1) {
    const next = bits.indexOf(value ^ 1, from);
    const to = next < 0 ? bits.length : next;
    runs.push(to - from);
    from = to;
  }
  return Uint32Array.from(runs);
}

/**
 * @param {Uint32Array} runs
 * @param {number} length
 */
export function unpacked(runs, length) {
  const bits = new Uint8Array(length);
  let at = 0;
  runs.forEach((run, index) => {
    if (index % 2) bits.fill(1, at, at + run);
    at += run;
  });
  return bits;
}
