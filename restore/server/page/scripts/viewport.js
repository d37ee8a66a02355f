/** One zoom and one place for every picture on the stage. */

const LARGEST = 32;
const TINY = 1e-6; // what sums of rounded numbers are off by

/** Which point of the frame lies in the middle of a pane, and how many pixels a pixel has. */
export class Viewport {
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true;
    this.frame = { width: 1, height: 1 };
    this.pane = { width: 1, height: 1 };
    /** @type {() => void} */
    this.changed = () => {};
  }

  /** The scale at which the whole frame is seen. */
  get fit() {
    const room = 0.96;
    return Math.min(
      (room * this.pane.width) / this.frame.width,
      (room * this.pane.height) / this.frame.height,
    );
  }

  /**
   * Another picture is shown; the same part of it stays in sight.
   * @param {number} width
   * @param {number} height
   */
  setFrame(width, height) {
    const ratio = width / this.frame.width;
    if (width === this.frame.width && height === this.frame.height) return;
    this.frame = { width, height };
    if (this.fitted) {
      this.showAll();
      return;
    }
    this.x *= ratio;
    this.y *= ratio;
    this.#settle(this.scale / ratio);
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  setPane(width, height) {
    this.pane = { width: Math.max(1, width), height: Math.max(1, height) };
    if (this.fitted) this.showAll();
    else this.#settle(this.scale);
  }

  showAll() {
    this.fitted = true;
    this.x = this.frame.width / 2;
    this.y = this.frame.height / 2;
    this.#settle(this.fit);
  }

  /**
   * Zoom so that what lies under a point of the pane stays there.
   * @param {number} scale
   * @param {number} [px]
   * @param {number} [py]
   */
  zoom(scale, px = this.pane.width / 2, py = this.pane.height / 2) {
    const under = {
      x: this.x + (px - this.pane.width / 2) / this.scale,
      y: this.y + (py - this.pane.height / 2) / this.scale,
    };
    const smallest = Math.min(1, this.fit) / 2;
    const wanted = Math.min(LARGEST, Math.max(smallest, scale));
    this.fitted = false;
    this.x = under.x - (px - this.pane.width / 2) / wanted;
    this.y = under.y - (py - this.pane.height / 2) / wanted;
    this.#settle(wanted);
  }

  /**
   * @param {number} dx pixels of the pane
   * @param {number} dy
   */
  pan(dx, dy) {
    this.fitted = false;
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.#settle(this.scale);
  }

  /**
   * @param {number} px
   * @param {number} py
   */
  toFrame(px, py) {
    const { x, y } = this.place;
    return { x: (px - x) / this.scale, y: (py - y) / this.scale };
  }

  /** Where the frame lies in the pane: at whole pixels, or 1:1 would not be sharp. */
  get place() {
    return {
      x: Math.floor(this.pane.width / 2 - this.x * this.scale + TINY),
      y: Math.floor(this.pane.height / 2 - this.y * this.scale + TINY),
      width: this.frame.width * this.scale,
      height: this.frame.height * this.scale,
    };
  }

  /** @param {number} scale */
  #settle(scale) {
    this.scale = scale;
    this.x = Math.min(this.frame.width, Math.max(0, this.x));
    this.y = Math.min(this.frame.height, Math.max(0, this.y));
    this.changed();
  }
}
