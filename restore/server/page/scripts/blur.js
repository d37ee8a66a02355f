/** The blur and the noise: what was found, how sure that is, and the means to say otherwise. */
import { h, icon } from "./dom.js";
import { kernelBox } from "./kernelbox.js";
import { change, page, params, setParam, watch } from "./store.js";
import { number, onLanguage, percent, t } from "./words.js";

const SURE = 0.65; // below, the kernel is to be looked at
/** @type {{[kind: string]: [string, number, number, number, number][]}} name, least, most, step */
const NUMBERS = {
  motion: [["length", 1, 80, 0.1, 15], ["angle", -90, 180, 0.5, 0]],
  disk: [["radius", 0.5, 40, 0.1, 4]],
  gaussian: [["sigma", 0.3, 20, 0.1, 2]],
};
const KINDS = /** @type {const} */ (["auto", "motion", "disk", "gaussian", "drawn", "file"]);
const UNITS = /** @type {{[name: string]: string}} */ ({ angle: "°" });

/** The blur that was found: by the job that is shown, else by the estimate. */
export function foundBlur() {
  return page.result?.report.blur ?? page.found?.report.blur ?? null;
}

/** What goes into params.kernel; null where it is estimated or a file. */
export function kernelWords() {
  const { kind, numbers } = page.blur;
  if (!(kind in NUMBERS)) return null;
  return `${kind}:${NUMBERS[kind].map(([name]) => trimmed(numbers[name])).join(",")}`;
}

/** @param {number} value */
const trimmed = (value) => String(Number(value.toFixed(3)));

/** @param {any} blur */
export function described(blur) {
  /** @type {{[name: string]: string}} */
  const numbers = {};
  for (const [name, value] of Object.entries(blur.parameters)) {
    numbers[name] = number(Number(value));
  }
  [numbers.rows, numbers.columns] = (blur.varying?.parts ?? []).map(String);
  return t(`blur.${blur.family}`, numbers);
}

export function blurCard() {
  const title = h("h2", {}, icon("deblur"), h("span", { "data-word": "blur.title" }));
  const box = kernelBox();
  const about = h("div", { class: "stack" });
  const chosen = h("select", { id: "kernel-kind", on: { change: choose } });
  const numbers = h("div", { class: "stack" });
  const kind = h("div", { class: "field", "data-field": "params.kernel" },
    h("label", { for: "kernel-kind", "data-word": "blur.kind" }), chosen, numbers,
    h("p", { class: "error" }));
  const card = h("section", { class: "card", id: "blur-card" }, title,
    h("div", { class: "blur" }, box.element, about), kind);

  function choose() {
    const next = KINDS.find((each) => each === chosen.value) ?? "auto";
    change({ blur: { kind: next, numbers: startOf(next), file: null }, errors: [] });
    if (next === "file") box.pick();
    if (next === "drawn") void box.draw();
  }

  function show() {
    const over = page.result !== null;
    card.hidden = page.task !== "deblur" || (over && !page.result?.report.blur);
    kind.hidden = over;
    chosen.replaceChildren(...KINDS.map((each) => h("option", {
      value: each, selected: each === page.blur.kind, text: t(`kind.${each}`),
    })));
    about.replaceChildren(...aboutBlur());
    box.element.hidden = page.blur.kind === "auto" && foundBlur() === null;
    void box.show();
  }

  function controls() {
    const kindNow = page.blur.kind;
    numbers.replaceChildren(...(NUMBERS[kindNow] ?? []).map((each) => slider(each)));
    if (kindNow === "file") {
      numbers.append(h("button", { class: "button", type: "button", on: { click: box.pick } },
        icon("open"), t("kernel_pick")), h("p", { class: "help quiet small",
        text: t("kernel_file_help") }));
    }
    if (kindNow === "drawn") {
      numbers.append(h("p", { class: "quiet small", text: t("kernel_draw_help") }));
    }
  }

  /** @type {string} */
  let shownKind = "";
  const update = () => {
    show();
    if (shownKind === page.blur.kind) return;
    shownKind = page.blur.kind;
    controls();
  };
  watch(["task", "found", "looking", "blur", "result"], update);
  onLanguage(() => {
    shownKind = "";
    update();
  });
  update();
  return card;
}

/**
 * Numbers to begin with: those that were found, where the kind is the same.
 * @param {string} kind
 */
function startOf(kind) {
  const found = foundBlur();
  /** @type {{[name: string]: number}} */
  const numbers = {};
  for (const [name, , , , usual] of NUMBERS[kind] ?? []) {
    const value = found?.family === kind ? found.parameters[name] : usual;
    numbers[name] = Math.round(100 * value) / 100;
  }
  return numbers;
}

/** @param {[string, number, number, number, number]} each */
function slider([name, least, most, step]) {
  const id = `blur-${name}`;
  const value = page.blur.numbers[name];
  const range = h("input", { type: "range", id, min: least, max: most, step, value });
  const typed = h("input", {
    type: "number", min: least, max: most, step: "any", value: trimmed(value),
    "aria-label": t(`number.${name}`),
  });
  /** @param {string} given */
  const set = (given) => {
    const next = Number(given);
    if (!given || Number.isNaN(next) || next < least || next > most) return;
    change({ blur: { ...page.blur, numbers: { ...page.blur.numbers, [name]: next } } });
  };
  range.addEventListener("input", () => {
    typed.value = range.value;
    set(range.value);
  });
  typed.addEventListener("input", () => {
    range.value = typed.value;
    set(typed.value);
  });
  const label = `${t(`number.${name}`)} (${UNITS[name] ?? t("pixels")})`;
  return h("div", { class: "field" }, h("label", { for: id, text: label }),
    h("div", { class: "pair" }, range, typed));
}

/** @returns {HTMLElement[]} */
function aboutBlur() {
  if (page.blur.kind !== "auto") return [h("p", { text: t(`about.${page.blur.kind}`) })];
  const blur = foundBlur();
  if (blur) {
    const more = blur.varying ? "parts_shown" : blur.may_vary ? "parts_may" : null;
    const notes = [blur.changed && "weak_changed", more].filter((key) => key);
    return [h("p", { text: described(blur) }), sureness(blur.confidence),
      ...notes.map((key) => h("p", { class: "small quiet", text: t(String(key)) }))];
  }
  if (page.looking === "asking") {
    return [h("p", { class: "row" }, h("span", { class: "spin" }), t("looking"))];
  }
  const { why, enlarged } = page.found?.report ?? {};
  if (why && enlarged) return [h("p", { text: t("about.enlarged") })];
  if (why) {
    const sharp = why.includes("no blur");
    return [h("div", { class: "message warn small" }, icon("warn"),
      h("div", {}, h("strong", { text: t(sharp ? "sharp" : "unknowable") }), t("sharp_cure")))];
  }
  return [h("p", { class: "quiet", text: t("about.auto") })];
}

/** @param {number} confidence */
function sureness(confidence) {
  const bar = h("i");
  bar.style.width = percent100(confidence);
  const doubt = confidence < SURE;
  return h("div", { class: "stack" },
    h("p", { class: "split small" }, h("span", { text: t("confidence") }),
      h("span", { class: "number", id: "confidence", text: percent(confidence) })),
    h("div", { class: doubt ? "meter doubt" : "meter", "aria-hidden": "true" }, bar),
    doubt && h("p", { class: "small quiet", text: t("doubt") }));
}

/** @param {number} share */
const percent100 = (share) => `${Math.round(100 * share)}%`;

/** The noise, for every task. */
export function noiseField() {
  const value = h("span", { class: "value" });
  const error = h("span", { class: "error", id: "noise-error" });
  const input = h("input", {
    type: "text", id: "noise", inputmode: "decimal", autocomplete: "off",
    "aria-describedby": "noise-help noise-error",
  });
  const help = h("p", { class: "help", id: "noise-help" });
  input.addEventListener("input", () => {
    const typed = input.value.trim().replace(",", ".");
    const [above, below] = typed.split("/").map(Number);
    const sigma = below === undefined ? above : above / below;
    const wrong = typed !== "" && !(sigma >= 0 && sigma <= 1);
    error.textContent = wrong ? t("noise_wrong") : "";
    input.toggleAttribute("aria-invalid", wrong);
    if (!wrong) setParam("noise", typed === "" ? undefined : sigma);
  });
  const show = () => {
    const sigma = page.found?.report.noise.sigma;
    const exact = page.task === "inpaint";
    input.placeholder = exact ? t("noise_exact") : sigma === undefined ? t("automatic")
      : t("noise_found", { sigma: number(sigma), levels: number(255 * sigma) });
    const given = params().noise;
    if (document.activeElement !== input) input.value = given === undefined ? "" : String(given);
    const sure = page.found?.report.noise.confidence;
    const own = sure === undefined || exact ? "" : t("noise_sure", { share: percent(sure) });
    value.textContent = given === undefined ? own : `${number(255 * given)}/255`;
    help.textContent = t(exact ? "noise_help_exact" : "noise_help");
  };
  watch(["found", "params", "task"], show);
  onLanguage(show);
  show();
  return h("div", { class: "field", "data-field": "params.noise" }, h("label", { for: "noise" },
    h("span", { "data-word": "param.noise" }), value), input, error, help);
}
