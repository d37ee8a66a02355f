/** Short notes at the foot of the page, which screen readers say. */
import { byId, h, icon } from "./dom.js";

const SHORT = 4500;
const LONG = 12_000;

/** Say what went wrong. @param {import("./problems.js").Said} said */
export const complain = ({ text, more }) => say(text, true, more);

/**
 * @param {string} text
 * @param {boolean} [bad] something went wrong
 * @param {string} [more] about that, smaller, in the words of the service
 */
export function say(text, bad = false, more = "") {
  const place = byId(bad ? "alerts" : "notes");
  for (const old of [...place.children].slice(0, -1)) old.remove();
  const note = h("div", { class: bad ? "note bad" : "note" }, bad && icon("warn"),
    h("div", {}, text, more && h("p", { class: "small", lang: "en", text: more })));
  place.append(note);
  setTimeout(() => note.remove(), bad ? LONG : SHORT);
}
