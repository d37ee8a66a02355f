/** Mouse, fingers, wheel and keys on the stage: they move the viewport, or paint. */
import { painting, page } from "./store.js";

/**
 * @typedef {object} Painter
 * @property {(x: number, y: number, erase: boolean) => void} down at a place of the frame
 * @property {(x: number, y: number) => void} move
 * @property {() => void} up
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {() => void} abandon a stroke that became a pinch
 * @property {(event: KeyboardEvent) => boolean} key whether it was one of the painter's
 */

/**
 * @param {HTMLElement} surface
 * @param {import("./viewport.js").Viewport} view
 * @param {Painter} painter
 */
export function listen(surface, view, painter) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let stroke = -1;

  /** @param {{clientX: number, clientY: number}} event */
  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return { x: (event.clientX - box.left) % view.pane.width, y: event.clientY - box.top };
  };

  surface.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    surface.focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    const at = place(event);
    fingers.set(event.pointerId, at);
    if (fingers.size === 2 && stroke !== -1) {
      painter.abandon();
      stroke = -1;
    } else if (fingers.size === 1 && painting() && page.tool !== "hand" && event.button === 0) {
      stroke = event.pointerId;
      const on = view.toFrame(at.x, at.y);
      painter.down(on.x, on.y, page.tool === "eraser" || event.altKey);
    } else {
      surface.classList.add("dragging");
    }
  });

  surface.addEventListener("pointermove", (event) => {
    const at = place(event);
    const on = view.toFrame(at.x, at.y);
    painter.hover(on.x, on.y);
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (stroke === event.pointerId) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) {
        const spot = place(each);
        const drawn = view.toFrame(spot.x, spot.y);
        painter.move(drawn.x, drawn.y);
      }
    } else if (fingers.size === 1) {
      view.pan(at.x - before.x, at.y - before.y);
    } else {
      pinch(event.pointerId, at);
    }
    fingers.set(event.pointerId, at);
  });

  /**
   * @param {number} id
   * @param {{x: number, y: number}} at
   */
  function pinch(id, at) {
    const other = [...fingers].find(([each]) => each !== id)?.[1];
    const before = fingers.get(id);
    if (!other || !before) return;
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(at.x - other.x, at.y - other.y);
    view.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    if (was > 0) view.zoom((view.scale * is) / was, (at.x + other.x) / 2, (at.y + other.y) / 2);
  }

  /** @param {PointerEvent} event */
  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (stroke === event.pointerId) {
      stroke = -1;
      painter.up();
    }
    if (!fingers.size) surface.classList.remove("dragging");
  };
  surface.addEventListener("pointerup", lift);
  surface.addEventListener("pointercancel", lift);
  surface.addEventListener("pointerleave", () => painter.leave());

  // On the whole stage: the handle between before and after lies above the surface.
  (surface.parentElement ?? surface).addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = place(event);
    const pace = event.ctrlKey ? 0.01 : event.deltaMode ? 0.05 : 0.0016;
    view.zoom(view.scale * Math.exp(-event.deltaY * pace), at.x, at.y);
  }, { passive: false });

  surface.addEventListener("dblclick", (event) => {
    if (painting() && page.tool !== "hand") return;
    const at = place(event);
    if (view.fitted) view.zoom(1, at.x, at.y);
    else view.showAll();
  });

  surface.addEventListener("keydown", (event) => {
    if (event.metaKey || (event.ctrlKey && event.key !== "z" && event.key !== "y")) return;
    if ((painting() && painter.key(event)) || move(view, event)) event.preventDefault();
  });
}

/**
 * @param {import("./viewport.js").Viewport} view
 * @param {KeyboardEvent} event
 */
function move(view, event) {
  const far = event.shiftKey ? 240 : 60;
  /** @type {{[key: string]: () => void}} */
  const keys = {
    ArrowLeft: () => view.pan(far, 0),
    ArrowRight: () => view.pan(-far, 0),
    ArrowUp: () => view.pan(0, far),
    ArrowDown: () => view.pan(0, -far),
    "+": () => view.zoom(view.scale * 1.25),
    "=": () => view.zoom(view.scale * 1.25),
    "-": () => view.zoom(view.scale / 1.25),
    0: () => view.showAll(),
    1: () => view.zoom(1),
  };
  const act = keys[event.key];
  act?.();
  return act !== undefined;
}
