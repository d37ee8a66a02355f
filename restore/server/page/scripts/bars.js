/** The tools above the stage: how to look, and what to paint with. */
import { back, brushSize, setBrushSize, sized, takeMask, whole, mask } from "./brush.js";
import { byId, h, icon } from "./dom.js";
import { say } from "./notes.js";
import { picker } from "./photo.js";
import { flick, followers, pictures, view } from "./stage.js";
import { change, page, painting, watch } from "./store.js";
import { onLanguage, percent, t, told, translate } from "./words.js";

/** @typedef {keyof typeof import("./icons.js").ICONS} Icon */
const MODES = /** @type {const} */ (["wipe", "side", "flicker", "before", "after"]);

/**
 * @param {Icon} picture
 * @param {string} word
 * @param {() => void} act
 */
function tool(picture, word, act) {
  return h("button", {
    class: "tool", type: "button", "data-word-label": word, "data-tool": word, on: { click: act },
  }, icon(picture));
}

/** A row of tools of which one is chosen. @param {HTMLElement[]} tools */
const group = (...tools) => h("div", { class: "group" }, ...tools);

export function mountBars() {
  viewBar(byId("view-bar"));
  brushBar(byId("brush-bar"));
}

/** @param {HTMLElement} bar */
function viewBar(bar) {
  const modes = MODES.map((mode) => tool(mode, `mode.${mode}`, () => choose(mode)));
  const scale = h("span", { class: "small number quiet", id: "scale" });
  const overlay = h("select", { id: "overlay", on: { change: () => cover(overlay.value) } });
  const strength = h("input", {
    type: "range", min: 0.1, max: 1, step: 0.05, value: page.strength, id: "strength",
    "data-word-label": "strength", on: { input: () => change({ strength: +strength.value }) },
  });
  const covers = h("label", {}, h("span", { class: "small", "data-word": "overlay" }), overlay,
    strength);
  const compare = group(...modes);
  bar.append(compare, group(tool("minus", "zoom_out", () => view.zoom(view.scale / 1.4)),
    tool("plus", "zoom_in", () => view.zoom(view.scale * 1.4)),
    tool("fit", "fit", () => view.showAll()), actual(), scale),
  h("span", { class: "grow" }), covers, tool("open", "other_photo", () => picker.click()));
  const draw = () => {
    bar.hidden = page.photo === null && page.result === null;
    compare.hidden = pictures().after === null;
    modes.forEach((each, place) => {
      each.setAttribute("aria-pressed", String(MODES[place] === page.mode));
    });
    const known = Object.keys(page.result?.overlays ?? {});
    covers.hidden = known.length === 0;
    strength.hidden = page.overlay === "none";
    overlay.replaceChildren(...["none", ...known].map((each) => h("option", {
      value: each, selected: each === page.overlay, text: t(`overlay.${each}`),
    })));
  };
  followers.push(() => void (scale.textContent = percent(view.scale)));
  watch(["photo", "result", "preview", "mode", "overlay"], draw);
  onLanguage(draw);
  translate(bar);
  document.addEventListener("keydown", (event) => {
    const mode = event.altKey ? MODES[Number(event.code.replace("Digit", "")) - 1] : undefined;
    if (!mode || !pictures().after) return;
    event.preventDefault();
    choose(mode);
  });
}

function actual() {
  return h("button", {
    class: "tool small", type: "button", text: "1:1", "data-word-label": "actual",
    on: { click: () => view.zoom(1) },
  });
}

/** @param {typeof MODES[number]} mode */
function choose(mode) {
  if (mode === "flicker" && page.mode === "flicker") flick();
  change({ mode });
  say(t(`mode.${mode}`));
}

/** @param {string} overlay */
function cover(overlay) {
  change({ overlay, mode: page.mode === "before" ? "after" : page.mode });
  const more = told(`overlay.${overlay}.more`);
  if (more) say(more);
}

/** @param {HTMLElement} bar */
function brushBar(bar) {
  const kinds = /** @type {const} */ ([["brush", "brush"], ["eraser", "eraser"], ["hand", "hand"]]);
  const tools = kinds.map(([picture, word]) => tool(picture, word, () => change({ tool: word })));
  const size = h("input", {
    type: "range", min: 2, max: 200, step: 1, value: brushSize(), id: "brush-size",
    on: { input: () => setBrushSize(Number(size.value)) },
  });
  const undo = tool("undo", "undo", () => void back(false));
  const redo = tool("redo", "redo", () => void back(true));
  const file = h("input", {
    type: "file", accept: "image/*", hidden: true, id: "mask-file", "data-word-label": "mask_open",
  });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (chosen) takeMask(chosen).catch(() => say(t("mask_unreadable"), true));
  });
  const share = h("span", { class: "small quiet number", id: "masked" });
  bar.append(group(...tools),
    group(h("label", { for: "brush-size" }, h("span", { class: "small", "data-word": "size" }),
      size)),
    group(undo, redo), group(tool("invert", "invert", () => whole((each) => each.invert())),
      tool("trash", "clear_mask", () => whole((each) => each.rewrite((bits) => bits.fill(0)))),
      tool("open", "mask_open", () => file.click()), file),
    h("span", { class: "grow" }), share);
  const draw = () => {
    bar.hidden = !painting();
    tools.forEach((each, place) => {
      each.setAttribute("aria-pressed", String(kinds[place][1] === page.tool));
    });
    size.value = String(Math.round(brushSize()));
    undo.disabled = !mask?.done.length;
    redo.disabled = !mask?.undone.length;
    const all = mask ? mask.width * mask.height : 1;
    share.textContent = page.masked ? t("masked", { share: shareOf(page.masked / all) })
      : t("paint_here");
  };
  sized.push(draw);
  watch(["task", "photo", "result", "busy", "tool", "masked"], draw);
  onLanguage(draw);
  translate(bar);
}

/** @param {number} share */
const shareOf = (share) => (share < 0.01 ? `< ${percent(0.01)}` : percent(share));
