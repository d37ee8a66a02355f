/** The photo, the mask and the options of a job, so that it can be looked at and changed. */
import { takeMask } from "./brush.js";
import { keepFile, keepPhoto, kept, keptPhoto } from "./memory.js";
import { Picture } from "./picture.js";
import { blob } from "./service.js";
import { change, page } from "./store.js";
import { t } from "./words.js";

/** @type {{[kind: string]: string[]}} names of the numbers of a kernel in words */
const NUMBERS = { motion: ["length", "angle"], disk: ["radius"], gaussian: ["sigma"] };

/** @param {import("./types.js").Job} job */
export async function takeOver(job) {
  const own = page.photo !== null && (await keptPhoto())?.job === job.id;
  if (!own) await takePhoto(job);
  const { kernel, ...rest } = job.params;
  change({
    task: job.task, params: { ...page.params, [job.task]: rest }, opened: page.opened + 1,
    blur: job.task === "deblur" ? await blurOf(job, kernel, own) : page.blur,
  });
  if (own || !job.links.mask) return;
  await takeMask(await blob(job.links.mask.slice(1), "image/png"));
}

/** @param {import("./types.js").Job} job */
async function takePhoto(job) {
  const path = job.links.image.slice(1);
  const file = await blob(path, "*/*");
  const picture = await Picture.from(file).catch(
    async () => Picture.from(await blob(path, "image/png")),
  );
  const name = kept("jobs", /** @type {any} */ ({}))[job.id]?.name ?? t("photo");
  change({ photo: { file, name, picture }, found: null, looking: "none" });
  await Promise.all([keepPhoto({ file, name, job: job.id }), keepFile("found", null),
    keepFile("mask", null)]);
}

/**
 * The controls of a blur in words, or its file.
 * @param {import("./types.js").Job} job
 * @param {string | undefined} words
 * @param {boolean} own
 * @returns {Promise<import("./types.js").Blur>}
 */
async function blurOf(job, words, own) {
  if (job.links.kernel) {
    if (own && page.blur.file) return page.blur;
    const sent = await blob(job.links.kernel.slice(1), "*/*");
    const file = new File([sent], sent.type === "image/png" ? "kernel.png" : "kernel.npy");
    return { kind: "file", numbers: {}, file };
  }
  if (!words) return { kind: "auto", numbers: {}, file: null };
  const [kind, values] = words.split(":");
  const known = kind === "motion" || kind === "disk" || kind === "gaussian" ? kind : "auto";
  const given = values.split(",").map(Number);
  /** @type {{[name: string]: number}} */
  const numbers = {};
  (NUMBERS[known] ?? []).forEach((name, place) => {
    numbers[name] = given[place] ?? 0;
  });
  return { kind: known, numbers, file: null };
}
