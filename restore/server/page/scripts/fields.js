/** One control for one option, after its JSON Schema. */
import { h } from "./dom.js";
import { number, t, told } from "./words.js";

/** @typedef {import("./types.js").Schema} Schema */
const SLIDER = 120; // most steps of a slider's range that is still handled well

/**
 * The schemas that a value may have but for null.
 * @param {Schema} schema
 * @returns {Schema[]}
 */
export function kinds(schema) {
  return (schema.anyOf ?? [schema]).filter((each) => each.type !== "null");
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {any} value undefined where it is left to the service
 * @param {any} usual what the service takes then
 * @param {(value: any) => void} set
 * @param {string} [path] of its errors
 * @returns {HTMLElement}
 */
export function field(name, schema, value, usual, set, path = `params.${name}`) {
  const id = path.replaceAll(".", "-");
  const found = kinds(schema);
  const label = told(`param.${name}`) ?? schema.description?.split(".")[0] ?? name;
  const help = told(`help.${name}`) ?? schema.description ?? "";
  const shown = h("span", { class: "value" });
  const made = { id, name: label, value, usual, set, shown, schema: found[0] };
  const control = found.length > 1 ? worded(made) : of(made);
  const error = h("p", { class: "error", id: `${id}-error` });
  const more = h("p", { class: "help", id: `${id}-help`, text: help });
  for (const each of control.matches("input, select, textarea") ? [control]
    : control.querySelectorAll("input")) {
    each.setAttribute("aria-describedby", `${id}-help ${id}-error`);
  }
  if (found[0].type === "boolean") {
    const side = h("label", { for: id }, control, label);
    return h("div", { class: "field switch", "data-field": path }, side, more, error);
  }
  const head = h("label", { for: id }, h("span", { text: label }), shown);
  return h("div", { class: "field", "data-field": path }, head, control,
    name === "fidelity" && h("p", { class: "ends" }, h("span", { text: t("detail") }),
      h("span", { text: t("safest") })), more, error);
}

/**
 * @typedef {{id: string, name: string, value: any, usual: any, set: (value: any) => void,
 *   shown: HTMLElement, schema: Schema}} Made
 */

/** @param {Made} made @returns {HTMLElement} */
function of(made) {
  const { schema } = made;
  if (schema.enum || schema.const !== undefined) return choice(made);
  if (schema.type === "boolean") return toggle(made);
  if (schema.type === "integer" || schema.type === "number") return numeric(made);
  return text(made);
}

/** @param {Made} made */
function choice({ id, value, usual, set, schema }) {
  const options = (schema.enum ?? [schema.const]).map((each) => h("option", {
    value: each, selected: each === (value ?? usual), text: told(`value.${each}`) ?? each,
  }));
  if (usual === null || usual === undefined) {
    options.unshift(h("option", { value: "", selected: value === undefined,
      text: t("automatic") }));
  }
  const select = h("select", { id }, ...options);
  select.addEventListener("change", () => {
    set(select.value === "" || select.value === usual ? undefined : select.value);
  });
  return select;
}

/** @param {Made} made */
function toggle({ id, value, usual, set }) {
  const box = h("input", { type: "checkbox", id, checked: value ?? usual });
  box.addEventListener("change", () => set(box.checked === usual ? undefined : box.checked));
  return box;
}

/** @param {Made} made */
function text({ id, value, usual, set, schema }) {
  const prose = schema.maxLength !== undefined;
  const input = prose ? h("textarea", {
    id, rows: 2, maxlength: schema.maxLength, autocomplete: "off", value: value ?? "",
  }) : h("input", {
    type: "text", id, value: value ?? "", placeholder: usual ?? "", pattern: schema.pattern,
    spellcheck: "false", autocomplete: "off",
  });
  input.addEventListener("input", () => set(input.value.trim() || undefined));
  return input;
}

/** A number or a word. @param {Made} made */
function worded({ id, value, usual, set }) {
  const input = h("input", {
    type: "text", id, value: value ?? "", placeholder: told(`value.${usual}`) ?? usual,
    autocomplete: "off",
  });
  input.addEventListener("input", () => {
    const typed = input.value.trim();
    set(typed === "" ? undefined : Number.isNaN(Number(typed)) ? typed : Number(typed));
  });
  return input;
}

/** @param {Made} made */
function numeric({ id, name, value, usual, set, shown, schema }) {
  const least = schema.minimum ?? 0;
  const most = schema.maximum ?? Infinity;
  const whole = schema.type === "integer";
  const typed = h("input", {
    type: "number", min: least, max: most === Infinity ? null : most, step: whole ? 1 : "any",
    value: value ?? "", placeholder: usual ?? "–",
  });
  const wide = most - least > SLIDER;
  const scale = wide ? Math.min(most, 100) : most;
  const range = h("input", {
    type: "range", min: least, max: scale, step: whole ? 1 : (scale - least) / 100,
    value: value ?? usual ?? least,
  });
  const show = () => {
    const known = usual !== null && usual !== undefined;
    shown.textContent = typed.value === "" && !known ? t("automatic") : "";
    range.setAttribute("aria-valuetext", typed.value || (known ? number(usual) : t("automatic")));
  };
  typed.addEventListener("input", () => {
    const next = Number(typed.value);
    const empty = typed.value === "";
    range.value = empty ? String(usual ?? least) : typed.value;
    set(empty || next === usual ? undefined : next);
    show();
  });
  range.addEventListener("input", () => {
    typed.value = range.value;
    set(Number(range.value) === usual ? undefined : Number(range.value));
    show();
  });
  show();
  if (wide && name !== t("param.steps")) {
    typed.id = id;
    return typed;
  }
  range.id = id;
  typed.setAttribute("aria-label", name);
  return h("div", { class: "pair" }, range, typed);
}
