/** Language, light and dark, the key of the service, and help. */
import { byId, h, icon } from "./dom.js";
import { keep, kept } from "./memory.js";
import { askForKeysBy, saveKey } from "./service.js";
import { language, languages, onLanguage, speak, t, translate } from "./words.js";

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const LOOKS = /** @type {const} */ ({ auto: "auto", light: "sun", dark: "moon" });
const dark = matchMedia("(prefers-color-scheme: dark)");
/** @type {typeof THEMES[number]} */
let theme = "auto";

function paintTheme() {
  const seen = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = seen;
}

/** As early as can be, so that nothing flashes. */
export function startTheme() {
  theme = THEMES.find((each) => each === kept("theme", "auto")) ?? "auto";
  dark.addEventListener("change", paintTheme);
  paintTheme();
}

export function mountTools() {
  const spoken = h("select", {
    id: "language", "data-word-label": "language_choice",
    on: {
      change: () => {
        keep("language", spoken.value);
        void speak(spoken.value);
      },
    },
  });
  const look = h("button", { class: "tool", type: "button", id: "theme" });
  look.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep("theme", theme);
    paintTheme();
    draw();
  });
  const help = h("button", {
    class: "tool", type: "button", id: "help", "data-word-label": "help",
    on: { click: () => helpDialog() },
  }, icon("help"));
  const draw = () => {
    spoken.replaceChildren(...languages().map(([code, name]) => h("option", {
      value: code, selected: code === language(), text: name, lang: code,
    })));
    look.replaceChildren(icon(LOOKS[theme]));
    look.title = t(`theme.${theme}`);
    look.setAttribute("aria-label", t(`theme.${theme}`));
  };
  byId("tools").append(spoken, look, help);
  onLanguage(draw);
  draw();
  translate(byId("tools"));
  askForKeysBy(keyDialog);
}

/** Keys of the keyboard by what they do. */
const KEYS = [
  ["Ctrl V", "paste"], ["← → ↑ ↓", "pan"], ["+ −", "zoom"], ["0 · 1", "fit"],
  ["Alt 1 … 5", "modes"], ["B · E · H", "brush"], ["[ ]", "size"], ["Space", "pen"],
  ["Enter", "dab"], ["I", "invert"], ["U · R", "undo"], ["Shift", "shift"],
];

function helpDialog() {
  const close = h("button", { class: "button main", type: "button", text: t("close"),
    on: { click: () => box.close() } });
  const box = h("dialog", { "aria-labelledby": "help-title" },
    h("h2", { id: "help-title", text: t("help") }), h("p", { text: t("help_text") }),
    h("h2", { text: t("keys") }),
    h("dl", { class: "keys" }, ...KEYS.flatMap(([keys, word]) => [
      h("dt", {}, h("kbd", { text: keys })), h("dd", { text: t(`key.${word}`) }),
    ])), h("div", { class: "row end" }, close));
  show(box);
}

/** @param {HTMLDialogElement} box */
function show(box) {
  document.body.append(box);
  box.addEventListener("close", () => box.remove());
  box.showModal();
}

/** @type {Promise<string | null> | null} one question at a time */
let asking = null;

/** Ask for the key of the service. */
function keyDialog() {
  asking ??= new Promise((resolve) => {
    const input = h("input", {
      type: "password", id: "key", autocomplete: "off", required: true, minlength: 16,
    });
    const stay = h("input", { type: "checkbox", id: "key-stays" });
    const form = h("form", { method: "dialog", class: "stack" },
      h("p", { text: t("key_text") }),
      h("div", { class: "field" }, h("label", { for: "key", text: t("key") }), input),
      h("div", { class: "field switch" }, h("label", { for: "key-stays" }, stay, t("key_stays"))),
      h("div", { class: "row end" }, h("button", { class: "button main", type: "submit",
        text: t("key_use") })));
    const box = h("dialog", { "aria-labelledby": "key-title" },
      h("h2", { id: "key-title", text: t("key_title") }), form);
    box.addEventListener("close", () => {
      asking = null;
      if (input.value) saveKey(input.value, stay.checked);
      resolve(input.value || null);
    });
    show(box);
  });
  return asking;
}
