/** Painting the mask: by pointer, or with the keys; and all that is done to the whole of it. */
import { keepFile } from "./memory.js";
import { Mask } from "./mask.js";
import { say } from "./notes.js";
import { decoded, encoded } from "./png.js";
import { followers, redraw, view } from "./stage.js";
import { change, page, painting, watch } from "./store.js";
import { forget, ring, tint, tintAll } from "./tint.js";
import { t } from "./words.js";

const LEAST = 0.71;
/** @type {Mask | null} */
export let mask = null;
/** Half the width of the brush, in pixels of the screen. */
let size = 24;
/** @type {{x: number, y: number} | null} where the ring is */
let at = null;
/** @type {{x: number, y: number} | null} where the stroke has come to */
let pen = null;
let erasing = false;
let timer = 0;

/** In pixels of the photo; never so small that no pixel's centre lies within. */
const radius = () => Math.max(LEAST, size / view.scale);
export const brushSize = () => size;

/** @param {number} pixels */
export function setBrushSize(pixels) {
  size = Math.min(200, Math.max(2, pixels));
  ring(at, radius(), pen !== null);
  for (const heard of sized) heard();
}
/** @type {(() => void)[]} */
export const sized = [];

/** @param {number} x @param {number} y */
function reach(x, y) {
  if (!mask || !pen) return;
  const rect = mask.stroke(pen.x, pen.y, x, y, radius(), erasing ? 0 : 1);
  pen = { x, y };
  tint(mask, rect);
}

function lift() {
  pen = null;
  if (mask?.commit()) settled();
}

/** @type {import("./gestures.js").Painter} */
export const painter = {
  down(x, y, erase) {
    erasing = erase;
    at = pen = { x, y };
    reach(x, y);
    ring(at, radius(), true);
  },
  move: reach,
  up: lift,
  hover(x, y) {
    if (!painting() || page.tool === "hand") {
      if (at) ring(at = null, 0, false);
      return;
    }
    at = { x, y };
    ring(at, radius(), pen !== null);
  },
  leave() {
    if (pen === null) ring(at = null, 0, false);
  },
  abandon() {
    if (mask && pen) tint(mask, mask.abandon());
    pen = null;
  },
  key(event) {
    if ((event.ctrlKey || event.metaKey) && "zy".includes(event.key.toLowerCase())) {
      return back(event.key.toLowerCase() === "y" || event.shiftKey);
    }
    const act = page.tool === "hand" ? undefined : moves(event.shiftKey)[event.key];
    (act ?? tools[event.key.toLowerCase()])?.();
    return act !== undefined || event.key.toLowerCase() in tools;
  },
};

/** @type {{[key: string]: () => void}} */
const tools = {
  b: () => change({ tool: "brush" }),
  e: () => change({ tool: "eraser" }),
  h: () => change({ tool: "hand" }),
  i: () => whole((each) => each.invert()),
  u: () => void back(false),
  r: () => void back(true),
  "[": () => setBrushSize(size / 1.2),
  "]": () => setBrushSize(size * 1.2),
};

/**
 * The brush by keys: arrows move it, space puts it down and up, enter dabs.
 * @param {boolean} far
 * @returns {{[key: string]: () => void}}
 */
function moves(far) {
  const step = Math.max(1, radius() / (far ? 0.25 : 2));
  /** @param {number} dx @param {number} dy */
  const go = (dx, dy) => () => {
    if (!mask) return;
    const from = at ?? { x: view.x, y: view.y };
    at = {
      x: Math.min(mask.width, Math.max(0, from.x + dx * step)),
      y: Math.min(mask.height, Math.max(0, from.y + dy * step)),
    };
    if (pen) reach(at.x, at.y);
    ring(at, radius(), pen !== null);
  };
  return {
    ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1),
    " ": () => {
      if (pen) {
        lift();
        say(t("pen_up"));
      } else {
        const from = at ?? { x: view.x, y: view.y };
        painter.down(from.x, from.y, page.tool === "eraser");
        say(t("pen_down"));
      }
      ring(at, radius(), pen !== null);
    },
    Enter: () => {
      const from = at ?? { x: view.x, y: view.y };
      painter.down(from.x, from.y, page.tool === "eraser");
      lift();
    },
  };
}

/** @param {boolean} forth */
export function back(forth) {
  const rect = mask ? (forth ? mask.redo() : mask.undo()) : null;
  if (!mask || !rect) return false;
  tint(mask, rect);
  settled();
  return true;
}

/** @param {(mask: Mask) => void} work */
export function whole(work) {
  if (!mask) return;
  work(mask);
  forget();
  redraw();
  settled();
}

/** Tell how much is white, and keep it for a reload. */
function settled() {
  if (!mask) return;
  change({ masked: mask.count });
  for (const heard of sized) heard();
  clearTimeout(timer);
  timer = window.setTimeout(async () => void keepFile("mask", await maskFile()), 600);
}

/** The mask as a file; null where nothing is white. */
export async function maskFile() {
  return mask?.count ? encoded(mask.bits, mask.width, mask.height) : null;
}

/**
 * Take a picture as the mask; whether its size is the photo's.
 * @param {Blob} file
 */
export async function takeMask(file) {
  if (!mask) return false;
  const bits = await decoded(file, mask.width, mask.height);
  if (typeof bits === "string") {
    say(t("mask_size", { size: bits, wanted: `${mask.width} × ${mask.height}` }), true);
    return false;
  }
  whole((each) => each.rewrite((old) => old.set(bits)));
  return true;
}

export function mountBrush() {
  followers.push(() => {
    tintAll(mask, painting());
    if (at) ring(painting() ? at : null, radius(), pen !== null);
  });
  watch(["photo"], () => {
    const photo = page.photo?.picture;
    mask = photo ? new Mask(photo.width, photo.height) : null;
    forget();
    change({ masked: 0 });
  });
}
