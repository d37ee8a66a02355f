/** The job that would be sent now: its parameters and files. */
import { kernelWords } from "./blur.js";
import { maskFile } from "./brush.js";
import { page, params } from "./store.js";

export const TEXT = ["prompt", "negative", "guidance"]; // for priors that read text

/** The prior that is chosen. */
export const prior = () => page.priors.find((each) => (params().prior
  ? each.name === params().prior : each.default));

/** Whether it reads text. */
export const readsText = () => prior()?.text === true;

/** The parameters as the service takes them. */
export function asked() {
  const words = page.task === "deblur" ? kernelWords() : null;
  const given = Object.entries(params()).filter(([name]) => readsText() || !TEXT.includes(name));
  return { ...Object.fromEntries(given), ...(words && { kernel: words }) };
}

/** A kernel that is a file. */
export function kernelFile() {
  const drawn = page.blur.kind === "file" || page.blur.kind === "drawn";
  return page.task === "deblur" && drawn ? page.blur.file : null;
}

/** Why nothing can be sent yet: the key of the words, or null. */
export function missing() {
  if (!page.photo) return "missing_photo";
  if (page.task === "inpaint" && page.masked === 0) return "missing_mask";
  if (page.task === "inpaint" && page.masked === page.photo.picture.width
    * page.photo.picture.height) return "missing_known";
  if (page.task === "restore" && !params().operator) return "missing_operator";
  if (["file", "drawn"].includes(page.blur.kind) && page.task === "deblur" && !page.blur.file) {
    return "missing_kernel";
  }
  return null;
}

/** How many times larger the result is a side. */
export function enlargement() {
  if (page.task === "upscale") return Number(params().factor ?? 4);
  if (page.task !== "restore") return 1;
  const shrinks = String(params().operator ?? "").matchAll(/downsample:(\d+)/g);
  return [...shrinks].reduce((product, [, factor]) => product * Number(factor), 1);
}

/** @returns {Promise<FormData>} */
export async function form() {
  const made = new FormData();
  made.set("task", page.task);
  made.set("params", JSON.stringify(asked()));
  if (page.photo) made.set("image", page.photo.file, "image");
  const kernel = kernelFile();
  if (kernel) made.set("kernel", kernel, "kernel");
  const mask = page.task === "inpaint" ? await maskFile() : null;
  if (mask) made.set("mask", mask, "mask");
  return made;
}
