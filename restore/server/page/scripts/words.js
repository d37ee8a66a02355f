/** The words of the page: one catalogue a language, English where a word is missing. */

const FIRST = "en";
/** @type {{[key: string]: any}} */
let english = {};
/** @type {{[key: string]: any}} */
let own = {};
let code = FIRST;
/** @type {{[code: string]: string}} */
let names = { [FIRST]: "English" };
/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {string} place */
async function fetched(place) {
  const answer = await fetch(place);
  if (!answer.ok) throw new Error(`${place}: ${answer.status}`);
  return answer.json();
}

/**
 * Load the list of languages and the one that is wanted: as chosen before, or as of the browser.
 * @param {string | null} chosen
 */
export async function loadWords(chosen) {
  [english, names] = await Promise.all([
    fetched(`languages/${FIRST}.json`),
    fetched("languages.json").catch(() => names),
  ]);
  const wanted = [chosen, ...navigator.languages].filter((each) => each !== null);
  await speak(wanted.map(known).find((each) => each !== undefined) ?? FIRST);
}

/**
 * The catalogue of a language: zh of zh-CN.
 * @param {string} wanted
 */
function known(wanted) {
  const short = wanted.toLowerCase().split("-")[0];
  return Object.keys(names).find((each) => each === wanted || each === short);
}

/** @param {string} language */
export async function speak(language) {
  own = language === FIRST ? english : await fetched(`languages/${language}.json`);
  code = language;
  document.documentElement.lang = own.locale ?? code;
  translate(document.documentElement);
  for (const heard of listeners) heard();
}

/** @returns {[string, string][]} code and name of each */
export const languages = () => Object.entries(names);
export const language = () => code;
const locale = () => own.locale ?? code;

/** @param {() => void} heard called whenever the language changes */
export function onLanguage(heard) {
  listeners.add(heard);
}

/**
 * The words of a key; {name} stands for a value, and `n` chooses among plural forms.
 * @param {string} key
 * @param {{[name: string]: string | number}} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  return told(key, values) ?? key;
}

/**
 * As t, but null where no catalogue has the key.
 * @param {string} key
 * @param {{[name: string]: string | number}} [values]
 * @returns {string | null}
 */
export function told(key, values = {}) {
  let found = own[key] ?? english[key];
  if (found === undefined) return null;
  if (typeof found === "object") {
    const form = new Intl.PluralRules(locale()).select(Number(values.n ?? 0));
    found = (values.n === 0 ? found.zero : undefined) ?? found[form] ?? found.other;
  }
  return String(found).replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/**
 * @param {number} value
 * @param {Intl.NumberFormatOptions} [options]
 */
export function number(value, options = { maximumSignificantDigits: 3 }) {
  return new Intl.NumberFormat(locale(), options).format(value);
}

/** @param {number} share of one */
export const percent = (share) => number(share, { style: "percent", maximumFractionDigits: 0 });

/**
 * Seconds as one says them.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 1) return t("under_a_second");
  if (seconds < 90) return t("seconds", { n: Math.round(seconds) });
  if (seconds < 600) return t("minutes", { n: Math.round(seconds / 6) / 10 });
  if (seconds < 7200) return t("minutes", { n: Math.round(seconds / 60) });
  return t("hours", { n: Math.round(seconds / 360) / 10 });
}

/** @param {string} stamp a time in UTC */
export function clock(stamp) {
  const options = /** @type {const} */ ({ dateStyle: "short", timeStyle: "short" });
  return new Intl.DateTimeFormat(locale(), options).format(new Date(stamp));
}

/**
 * Fill what is marked by data-word (its text) and data-word-label (its name and tip).
 * @param {Element} root
 */
export function translate(root) {
  for (const each of root.querySelectorAll("[data-word]")) {
    each.textContent = t(each.getAttribute("data-word") ?? "");
  }
  for (const each of root.querySelectorAll("[data-word-label]")) {
    const label = t(each.getAttribute("data-word-label") ?? "");
    each.setAttribute("aria-label", label);
    if (each.matches("button, input, a")) each.setAttribute("title", label);
  }
}
