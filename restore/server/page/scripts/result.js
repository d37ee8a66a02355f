/** The result of a job: its report, its pictures, what lies over them. */
import { Picture } from "./picture.js";
import { blob, json } from "./service.js";
import { change, page } from "./store.js";

/** What browsers show, the photo's own format first; TIFF as PNG. */
const SHOWN = "image/jpeg, image/webp, image/bmp, image/png;q=0.9, image/tiff;q=0.1";

/** @param {import("./types.js").Job} job @returns {Promise<import("./types.js").Result>} */
export async function load(job) {
  const path = job.links.result.slice(1);
  const report = await json(path);
  /** @param {string} name */
  const file = (name) => (name in report.files
    ? blob(report.files[name].slice(1), "image/png") : Promise.resolve(null));
  const own = await format(report);
  const drawn = await blob(path, own === "TIFF" ? "image/png" : own ? `image/${own}` : SHOWN);
  const [picture, kernel, std, undetermined] = await Promise.all([
    Picture.from(drawn), file("kernel.png"), file("std.png"), file("undetermined.png"),
  ]);
  /** @type {{[name: string]: Picture}} */
  const overlays = {};
  if (undetermined) overlays.undetermined = await Picture.from(undetermined);
  if (std) overlays.spread = await Picture.from(std);
  const unexplained = await residuals(report.certificate);
  if (unexplained) overlays.unexplained = unexplained;
  const samples = [];
  for (let k = 1; `sample${k}.png` in report.files; k += 1) {
    const each = await file(`sample${k}.png`);
    if (each) samples.push(await Picture.from(each));
  }
  return { report, blob: drawn, picture, samples, overlays, kernel };
}

/** The photo's format, of the name of the result. @param {any} report */
async function format(report) {
  const suffix = String(report.output).split(".").pop() ?? "";
  /** @type {{[suffix: string]: string}} */
  const kinds = { png: "png", jpg: "jpeg", webp: "webp", bmp: "bmp", tif: "TIFF" };
  return kinds[suffix];
}

/**
 * The map of the certificate in colour: clear where the photo is explained, red far above.
 * @param {any} certificate
 */
async function residuals(certificate) {
  const map = certificate?.map?.[0];
  if (!map) return null;
  const high = certificate.band[1];
  const canvas = new OffscreenCanvas(map[0].length, map.length);
  const image = new ImageData(map[0].length, map.length);
  map.flat().forEach((/** @type {number | null} */ value, /** @type {number} */ place) => {
    const excess = value === null ? 0 : Math.min(1, Math.max(0, (value / high - 0.85) / 0.9));
    image.data.set([230, 40, 50, 255 * excess], 4 * place);
  });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return Picture.from(await canvas.convertToBlob());
}

/** Leave the result: the photo again, to be changed or sent with other options. */
export function leave() {
  change({ result: null, job: null, preview: null, sample: 0, overlay: "none" });
  history.replaceState(null, "", location.pathname);
  if (page.mode === "after") change({ mode: "wipe" });
}
