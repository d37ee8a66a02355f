/** The samples side by side, each to be looked at on the stage. */
import { byId, context, h } from "./dom.js";
import { change, page, watch } from "./store.js";
import { onLanguage, t } from "./words.js";

const HIGH = 62;

export function mountStrip() {
  const strip = byId("strip");
  strip.setAttribute("role", "radiogroup");
  strip.setAttribute("data-word-label", "samples");
  const draw = () => {
    const samples = page.result?.samples ?? [];
    strip.hidden = samples.length === 0;
    if (!page.result || !samples.length) return;
    const all = [page.result.picture, ...samples];
    strip.replaceChildren(...all.map((picture, place) => one(picture, place)));
  };
  const mark = () => {
    [...strip.children].forEach((each, place) => {
      each.setAttribute("aria-checked", String(place === page.sample));
      each.setAttribute("tabindex", place === page.sample ? "0" : "-1");
    });
  };
  strip.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const count = strip.children.length;
    change({ sample: (page.sample + way + count) % count });
    mark();
    const now = strip.children[page.sample];
    if (now instanceof HTMLElement) now.focus();
  });
  watch(["result"], draw);
  watch(["sample"], mark);
  onLanguage(draw);
}

/**
 * @param {import("./picture.js").Picture} picture
 * @param {number} place
 */
function one(picture, place) {
  const wide = Math.round((HIGH * picture.width) / picture.height);
  const canvas = h("canvas", { width: 2 * wide, height: 2 * HIGH });
  picture.draw(context(canvas), 0, 0, 2 * wide, 2 * HIGH);
  return h("button", {
    class: "sample", type: "button", role: "radio", "aria-checked": String(place === page.sample),
    tabindex: place === page.sample ? "0" : "-1", on: { click: () => change({ sample: place }) },
  }, canvas, h("span", { text: place ? t("sample", { n: place }) : t("mean") }));
}
