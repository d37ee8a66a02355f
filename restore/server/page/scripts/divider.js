/** The handle between before and after: a slider for the mouse, the finger and the keys. */
import { h, icon } from "./dom.js";
import { number, onLanguage, t } from "./words.js";

/**
 * @param {(share: number) => void} moved the share of the stage that is before
 * @returns {{element: HTMLElement, set: (share: number) => void}}
 */
export function divider(moved) {
  let share = 0.5;
  const grip = h("span", { class: "grip" }, icon("grip"));
  const element = h("div", {
    class: "divider",
    role: "slider",
    tabindex: "0",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
    "aria-orientation": "horizontal",
    "data-word-label": "divider",
  }, grip);

  /** @param {number} wanted */
  function set(wanted) {
    share = Math.min(1, Math.max(0, wanted));
    element.style.left = `${100 * share}%`;
    element.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    element.setAttribute("aria-valuetext", t("divider_value", { n: number(100 * share) }));
    moved(share);
  }

  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    event.stopPropagation();
  });
  element.addEventListener("pointermove", (event) => {
    const stage = element.parentElement;
    if (!stage || !element.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    set((event.clientX - box.left) / box.width);
  });
  element.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    /** @type {{[key: string]: number}} */
    const places = {
      ArrowLeft: share - step, ArrowDown: share - step, PageDown: share - 0.2,
      ArrowRight: share + step, ArrowUp: share + step, PageUp: share + 0.2, Home: 0, End: 1,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    set(places[event.key]);
  });
  onLanguage(() => set(share));
  set(share);
  return { element, set };
}
