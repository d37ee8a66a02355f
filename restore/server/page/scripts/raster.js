/** The pixels within a distance of a line: what one piece of a brush stroke covers. */

/**
 * Call `row` with each row and the pixels [from, to) of it whose centres the brush covers.
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} radius
 * @param {number} width of the picture
 * @param {number} height of the picture
 * @param {(y: number, from: number, to: number) => void} row
 * @returns {Rect} that holds them all
 *
 * @typedef {{left: number, top: number, right: number, bottom: number}} Rect
 */
export function sweep(x0, y0, x1, y1, radius, width, height, row) {
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
  const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + radius));
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
  const right = Math.min(width, Math.ceil(Math.max(x0, x1) + radius));
  const corners = sides(x0, y0, x1, y1, radius);
  for (let y = top; y < bottom; y += 1) {
    const centre = y + 0.5;
    let [low, high] = [Infinity, -Infinity];
    for (const [x, end] of [[x0, y0], [x1, y1]]) {
      const rest = radius * radius - (centre - end) ** 2;
      if (rest < 0) continue;
      const half = Math.sqrt(rest);
      low = Math.min(low, x - half);
      high = Math.max(high, x + half);
    }
    for (let corner = 0; corner < corners.length; corner += 1) {
      const [ax, ay] = corners[corner];
      const [bx, by] = corners[(corner + 1) % corners.length];
      if ((ay - centre) * (by - centre) > 0 || ay === by) continue;
      const x = ax + ((bx - ax) * (centre - ay)) / (by - ay);
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    const from = Math.max(left, Math.ceil(low - 0.5));
    const to = Math.min(right, Math.floor(high - 0.5) + 1);
    if (to > from) row(y, from, to);
  }
  return { left, top, right: Math.max(left, right), bottom: Math.max(top, bottom) };
}

/**
 * The corners of the rectangle between the two ends.
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} radius
 * @returns {[number, number][]}
 */
function sides(x0, y0, x1, y1, radius) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length === 0) return [];
  const [nx, ny] = [(-(y1 - y0) / length) * radius, ((x1 - x0) / length) * radius];
  return [[x0 + nx, y0 + ny], [x1 + nx, y1 + ny], [x1 - nx, y1 - ny], [x0 - nx, y0 - ny]];
}

/**
 * @param {Rect} one
 * @param {Rect} other
 * @returns {Rect}
 */
export function joined(one, other) {
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}
