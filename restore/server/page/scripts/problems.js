/** What the service refuses, in the language of the page; its own words stand underneath. */
import { Problem, Unreachable } from "./service.js";
import { language, t, told } from "./words.js";

/** @typedef {{text: string, more: string}} Said */

/**
 * One thing that is wrong, by its code; in the service's words where the catalogue has none.
 * @param {import("./types.js").Coded} fault
 * @returns {Said}
 */
export function said(fault) {
  const detail = fault.detail ?? "";
  const own = told(`problem.${fault.code}`, fault.values);
  if (own === null) return { text: detail, more: "" };
  return { text: own, more: language() === "en" ? "" : detail };
}

/**
 * Whatever went wrong. Fields that have a control are marked there, and not named here.
 * @param {unknown} error
 * @returns {Said}
 */
export function trouble(error) {
  if (error instanceof Unreachable) return { text: t("unreachable"), more: "" };
  if (!(error instanceof Problem)) return { text: t("failed"), more: String(error) };
  const elsewhere = error.errors.filter((each) => !document.querySelector(
    `[data-field="${CSS.escape(each.field)}"]`));
  if (!elsewhere.length) return said(error);
  const all = elsewhere.map((each) => {
    const { text, more } = said(each);
    const field = told(`field.${each.field}`) ?? each.field;
    return { text: t("at_field", { field, text }), more };
  });
  return { text: all.map((each) => each.text).join(" "), more: all.map((each) => each.more)
    .filter(Boolean).join(" ") };
}
