/** The picture of the kernel: found, of its numbers, from a file, or drawn by hand; or a sheet. */
import { h } from "./dom.js";
import { kernelsOf } from "./kernelfile.js";
import { drawn, pictureOf, showSheet, showWeights } from "./kernels.js";
import { say } from "./notes.js";
import { change, page } from "./store.js";
import { t } from "./words.js";

const SIDE = 31; // of a kernel that is drawn from nothing

export function kernelBox() {
  const element = h("canvas", {
    class: "kernel", width: 31, height: 31, role: "img", "data-word-label": "kernel_picture",
  });
  const file = h("input", {
    type: "file", accept: ".png,.npy", hidden: true, "data-word-label": "kernel_pick",
  });
  /** @type {{size: number, weights: Float64Array} | null} */
  let hand = null;
  let asked = 0;

  file.addEventListener("change", () => {
    const chosen = file.files?.[0] ?? null;
    file.value = "";
    if (!chosen) return;
    change({ blur: { kind: "file", numbers: {}, file: chosen } });
    kernelsOf(chosen).catch(() => say(t("kernel_unreadable"), true));
  });

  async function show() {
    const { kind, numbers, file: given } = page.blur;
    const mine = ++asked;
    element.classList.toggle("editing", kind === "drawn");
    element.classList.remove("sheet");
    if (kind === "drawn") {
      if (hand) showWeights(element, hand.size, hand.weights);
      return;
    }
    if (["motion", "disk", "gaussian"].includes(kind)) {
      const { size, weights } = drawn(kind, numbers);
      showWeights(element, size, weights);
      return;
    }
    const found = kind === "file" ? given : page.result ? page.result.kernel : page.found?.kernel;
    const seen = found ? await kernelsOf(found).catch(() => null) : null;
    if (mine !== asked) return;
    element.classList.toggle("sheet", seen !== null && seen.cells.length > 1);
    if (!seen) showWeights(element, 1, [0]);
    else if (seen.cells.length > 1) showSheet(element, seen);
    else showWeights(element, seen.cells[0].size, seen.cells[0].weights);
  }

  /** Begin a drawing with what is known. */
  async function draw() {
    const found = page.found?.kernel;
    hand = found ? (await kernelsOf(found)).cells[0]
      : { size: SIDE, weights: new Float64Array(SIDE * SIDE) };
    await keep();
    await show();
  }

  async function keep() {
    if (!hand) return;
    const empty = !hand.weights.some((weight) => weight > 0);
    const picture = empty ? null : await pictureOf(hand.size, hand.weights);
    if (page.blur.kind === "drawn") change({ blur: { ...page.blur, file: picture } });
  }

  /** @param {PointerEvent} event */
  function dot(event) {
    if (!hand || page.blur.kind !== "drawn" || !element.hasPointerCapture(event.pointerId)) return;
    const box = element.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const [column, row] = [Math.floor(x * hand.size), Math.floor(y * hand.size)];
    if (column < 0 || row < 0 || column >= hand.size || row >= hand.size) return;
    hand.weights[row * hand.size + column] = event.altKey || event.shiftKey ? 0 : 1;
    showWeights(element, hand.size, hand.weights);
  }
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    dot(event);
  });
  element.addEventListener("pointermove", dot);
  element.addEventListener("pointerup", () => void keep());

  return {
    element: h("div", {}, element, file),
    show,
    draw: () => draw().catch(() => say(t("kernel_unreadable"), true)),
    pick: () => file.click(),
  };
}
