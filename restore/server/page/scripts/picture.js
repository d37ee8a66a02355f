/** A picture with smaller copies of itself, so that it is drawn quickly at every zoom. */

const SMALLEST = 700;

export class Picture {
  /**
   * @param {ImageBitmap[]} levels the whole picture, its half, its quarter ...
   * @param {boolean} [soft] whether its pixels are never shown as squares
   */
  constructor(levels, soft = false) {
    this.levels = levels;
    this.soft = soft;
    this.width = levels[0].width;
    this.height = levels[0].height;
  }

  /**
   * Decode a file, upright; an error where the browser cannot.
   * @param {Blob} file
   * @param {boolean} [soft]
   */
  static async from(file, soft = false) {
    const levels = [await createImageBitmap(file, { imageOrientation: "from-image" })];
    for (;;) {
      const last = levels[levels.length - 1];
      if (Math.max(last.width, last.height) <= SMALLEST) return new Picture(levels, soft);
      levels.push(await createImageBitmap(last, {
        resizeWidth: Math.max(1, Math.round(last.width / 2)),
        resizeHeight: Math.max(1, Math.round(last.height / 2)),
        resizeQuality: "medium",
      }));
    }
  }

  /**
   * Draw it into a rectangle, from the copy that has just enough pixels.
   * @param {CanvasRenderingContext2D} canvas
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  draw(canvas, x, y, width, height) {
    const shrunk = Math.max(0, Math.floor(Math.log2(this.width / width) + 0.001));
    const level = this.levels[Math.min(shrunk, this.levels.length - 1)];
    canvas.imageSmoothingEnabled = this.soft || width < 2.5 * this.width;
    canvas.imageSmoothingQuality = "high";
    canvas.drawImage(level, x, y, width, height);
  }

  /**
   * A small copy for lists, as the address of a JPEG.
   * @param {number} side
   */
  thumbnail(side) {
    const shrink = Math.max(1, Math.max(this.width, this.height) / side);
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(this.width / shrink));
    canvas.height = Math.max(1, Math.round(this.height / shrink));
    const context = canvas.getContext("2d");
    if (context) this.draw(context, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.75);
  }

  /** Let go of its memory. */
  close() {
    for (const level of this.levels) level.close();
  }
}
