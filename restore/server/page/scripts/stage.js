/** The stage: before and after on one viewport, in one of five ways, with an overlay. */
import { divider } from "./divider.js";
import { byId, context, h, resized } from "./dom.js";
import { page, painting, watch } from "./store.js";
import { t } from "./words.js";
import { Viewport } from "./viewport.js";

export const view = new Viewport();
export const surface = h("canvas", {
  class: "surface", tabindex: "0", role: "application", "data-word-label": "stage",
});
export const tintLayer = h("canvas", { class: "tint", "aria-hidden": "true" });
export const cursorLayer = h("canvas", { class: "cursor-layer", "aria-hidden": "true" });
/** @type {(() => void)[]} what else is drawn when the viewport moves */
export const followers = [];
const FLICKER = 650;

let share = 0.5;
let flickered = false;
let asked = false;
/** @type {Set<import("./picture.js").Picture>} */
let held = new Set();
const handle = divider((wanted) => {
  share = wanted;
  redraw();
});
const left = h("span", { class: "tag left" });
const right = h("span", { class: "tag right" });

/** What is before, and what is after or on its way there. */
export function pictures() {
  const drawn = page.result
    ? page.sample ? page.result.samples[page.sample - 1] : page.result.picture
    : page.preview;
  return { before: page.photo?.picture ?? null, after: drawn ?? null };
}

export function mount() {
  const stage = byId("stage");
  stage.append(surface, tintLayer, cursorLayer, left, right, handle.element);
  view.changed = redraw;
  new ResizeObserver(redraw).observe(stage);
  watch(["photo", "result", "preview", "sample", "mode", "overlay", "strength", "task", "busy"],
    redraw);
  setInterval(() => {
    if (page.mode !== "flicker" || !pictures().after) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    flickered = !flickered;
    redraw();
  }, FLICKER);
}

/** Change sides of the flicker by hand. */
export function flick() {
  flickered = !flickered;
  redraw();
}

/** Draw before the next frame. */
export function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    draw();
  });
}

function draw() {
  const { before, after } = pictures();
  const box = surface.getBoundingClientRect();
  const dense = window.devicePixelRatio || 1;
  resized(surface, box.width * dense, box.height * dense);
  const mode = after && before ? page.mode : after ? "after" : "before";
  const panes = mode === "side" ? 2 : 1;
  fitFrame(before, page.result ? after : null, box.width / panes, box.height);
  const canvas = context(surface);
  canvas.setTransform(dense, 0, 0, dense, 0, 0);
  canvas.clearRect(0, 0, box.width, box.height);
  const middle = mode === "wipe" ? share * box.width : box.width / 2;
  const first = mode === "before" || (mode === "flicker" && !flickered);
  if (panes === 2 || mode === "wipe") {
    clipped(canvas, 0, middle, 0, box.height, () => paint(canvas, before));
    const shift = panes === 2 ? middle : 0;
    clipped(canvas, middle, box.width, shift, box.height, () => paint(canvas, after, true));
  } else {
    clipped(canvas, 0, box.width, 0, box.height, () => paint(canvas, first ? before : after,
      !first));
  }
  label(mode, first, panes === 2 ? middle : 0, box);
  for (const follower of followers) follower();
  release();
}

/** Let go of pictures that are shown no more: each takes four bytes a pixel. */
function release() {
  const { photo, preview, result } = page;
  const all = [photo?.picture, preview, result?.picture, ...(result?.samples ?? []),
    ...Object.values(result?.overlays ?? {})];
  const now = new Set(all.filter((each) => each !== null && each !== undefined));
  for (const each of held) if (!now.has(each)) each.close();
  held = now;
}

/**
 * Keep the viewport's idea of the frame and of its pane.
 * @param {import("./picture.js").Picture | null} before
 * @param {import("./picture.js").Picture | null} after
 * @param {number} width
 * @param {number} height
 */
function fitFrame(before, after, width, height) {
  const frame = after ?? before;
  const { changed } = view;
  view.changed = () => {};
  if (view.pane.width !== width || view.pane.height !== height) view.setPane(width, height);
  if (frame) view.setFrame(frame.width, frame.height);
  view.changed = changed;
}

/**
 * @param {CanvasRenderingContext2D} canvas
 * @param {number} from
 * @param {number} to
 * @param {number} shift
 * @param {number} height
 * @param {() => void} paint
 */
function clipped(canvas, from, to, shift, height, paint) {
  if (to <= from) return;
  canvas.save();
  canvas.beginPath();
  canvas.rect(from, 0, to - from, height);
  canvas.clip();
  canvas.translate(shift, 0);
  paint();
  canvas.restore();
}

/**
 * @param {CanvasRenderingContext2D} canvas
 * @param {import("./picture.js").Picture | null} picture
 * @param {boolean} [after] with the overlay
 */
function paint(canvas, picture, after = false) {
  if (!picture) return;
  const { x, y, width, height } = view.place;
  canvas.fillStyle = squares(canvas);
  canvas.fillRect(x, y, width, height);
  picture.draw(canvas, x, y, width, height);
  const overlay = after && page.result ? page.result.overlays[page.overlay] : undefined;
  if (!overlay) return;
  canvas.globalAlpha = page.strength;
  overlay.draw(canvas, x, y, width, height);
  canvas.globalAlpha = 1;
}

/** @type {{theme: string | undefined, pattern: CanvasPattern | null}} */
let checked = { theme: undefined, pattern: null };

/** What is seen through a transparent picture. @param {CanvasRenderingContext2D} canvas */
function squares(canvas) {
  const { theme } = document.documentElement.dataset;
  if (checked.theme !== theme || !checked.pattern) {
    const style = getComputedStyle(surface);
    const tile = h("canvas", { width: 20, height: 20 });
    const drawn = context(tile);
    [["--check", 0, 20], ["--stage", 0, 10], ["--stage", 10, 10]].forEach(([name, at, side]) => {
      drawn.fillStyle = style.getPropertyValue(String(name));
      drawn.fillRect(Number(at), Number(at), Number(side), Number(side));
    });
    checked = { theme, pattern: canvas.createPattern(tile, "repeat") };
  }
  return checked.pattern ?? "gray";
}

/**
 * @param {string} mode
 * @param {boolean} first
 * @param {number} middle
 * @param {DOMRect} box
 */
function label(mode, first, middle, box) {
  const { before, after } = pictures();
  const known = before !== null && after !== null;
  handle.element.hidden = mode !== "wipe" || painting();
  left.hidden = !known || mode === "after" || (mode === "flicker" && !first);
  right.hidden = !known || mode === "before" || (mode === "flicker" && first);
  left.textContent = t("before");
  right.textContent = page.result ? t("after") : t("preview");
  right.style.right = middle && mode === "side" ? "12px" : "";
  surface.classList.toggle("painting", painting() && page.tool !== "hand" && box.width > 0);
  surface.dataset.mode = mode;
  surface.dataset.scale = view.scale.toFixed(4);
}
