/** Elements of the page, made in one expression; they follow the language by `data-word`. */
import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{[name: string]: any}} [given] attributes; `on` holds listeners, `text` the text, and
 *   what is null or false is left out
 * @param {...(Node | string | null | false | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [kind, heard] of Object.entries(value)) element.addEventListener(kind, heard);
    } else if (name === "text") {
      element.textContent = String(value);
    } else if (name === "value") {
      Reflect.set(element, "value", value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== false
    && child !== undefined));
  return element;
}

/**
 * @param {keyof typeof ICONS} name
 * @param {string} [kind] further classes
 * @returns {SVGSVGElement}
 */
export function icon(name, kind = "") {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("class", `icon ${kind}`);
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawn.append(path);
  return drawn;
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Give a canvas as many pixels as it has on the screen; whether that changed it.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function resized(canvas, width, height) {
  const [w, t] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
  if (canvas.width === w && canvas.height === t) return false;
  [canvas.width, canvas.height] = [w, t];
  return true;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function context(canvas) {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("no 2D canvas");
  return found;
}

/**
 * Let a file be saved.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
