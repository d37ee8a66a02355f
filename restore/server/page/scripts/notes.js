/** Short notes at the foot of the page, which screen readers say. */
import { byId, h, icon } from "./dom.js";

const SHORT = 4500;
const LONG = 12_000;

/**
 * @param {string} text
 * @param {boolean} [bad] something went wrong
 */
export function say(text, bad = false) {
  const place = byId(bad ? "alerts" : "notes");
  for (const old of [...place.children].slice(0, -1)) old.remove();
  const note = h("div", { class: bad ? "note bad" : "note" }, bad && icon("warn"), text);
  place.append(note);
  setTimeout(() => note.remove(), bad ? LONG : SHORT);
}
