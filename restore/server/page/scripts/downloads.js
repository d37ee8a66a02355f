/** What can be saved: the picture as it came in, in 16 bits, the report; and the command. */
import { maskFile } from "./brush.js";
import { curl } from "./curl.js";
import { h, icon, save } from "./dom.js";
import { say } from "./notes.js";
import { blob, savedKey } from "./service.js";
import { page, watch } from "./store.js";
import { onLanguage, t } from "./words.js";

/** @type {{[suffix: string]: [string, string]}} name and media type by the suffix of a result */
const KINDS = {
  png: ["PNG", "image/png"], jpg: ["JPEG", "image/jpeg"], tif: ["TIFF", "image/tiff"],
  webp: ["WebP", "image/webp"], bmp: ["BMP", "image/bmp"],
};

export function downloadsCard() {
  const buttons = h("div", { class: "downloads" });
  const text = h("pre", { id: "curl", tabindex: "0", "data-word-label": "command" });
  const copy = h("button", {
    class: "button", type: "button",
    on: {
      click: () => navigator.clipboard.writeText(text.textContent ?? "")
        .then(() => say(t("copied")), () => say(t("copy_failed"), true)),
    },
  }, icon("copy"), h("span", { "data-word": "copy" }));
  const command = h("details", { id: "command" }, h("summary", { "data-word": "command" }),
    h("div", { class: "stack" }, text, h("div", { class: "row" }, copy)));
  const card = h("section", { class: "card", id: "downloads" },
    h("h2", {}, icon("download"), h("span", { "data-word": "downloads" })), buttons, command);
  const show = () => {
    card.hidden = page.result === null;
    if (!page.result || !page.job) return;
    buttons.replaceChildren(...choices());
    text.textContent = commandText();
  };
  watch(["result", "job"], show);
  onLanguage(show);
  show();
  return card;
}

/** holiday and .jpg give holiday.deblurred.jpg. @param {string} ending */
function named(ending) {
  const words = /** @type {{[task: string]: string}} */ ({
    deblur: "deblurred", upscale: "upscaled", inpaint: "inpainted", restore: "restored",
  });
  const stem = (page.photo?.name ?? "photo").replace(/\.[^.]*$/, "");
  return `${stem}.${words[page.job?.task ?? ""] ?? "restored"}${ending}`;
}

/** The picture in the photo's own format. */
export function ownButton() {
  const suffix = String(page.result?.report.output).split(".").pop() ?? "png";
  const [name, media] = KINDS[suffix] ?? KINDS.png;
  return button(t("download_own", { format: name }), "download-own", `.${suffix}`, media, "", true);
}

function choices() {
  const all = [
    button(t("download_deep"), "download-deep", ".tif", "image/tiff", "?depth=16"),
    button(t("download_report"), "download-report", ".json", "application/json"),
  ];
  if (page.job?.links.mask) all.push(maskButton());
  const kernel = page.result?.kernel;
  if (kernel) {
    all.push(h("button", { class: "button", type: "button", id: "download-kernel",
      on: { click: () => save(kernel, named(".kernel.png")) } }, icon("download"),
    t("download_kernel")));
  }
  return all;
}

/**
 * @param {string} text
 * @param {string} id
 * @param {string} ending
 * @param {string} media
 * @param {string} [query]
 * @param {boolean} [main]
 */
function button(text, id, ending, media, query = "", main = false) {
  const made = h("button", {
    class: main ? "button main" : "button", type: "button", id,
    on: {
      click: async () => {
        made.disabled = true;
        try {
          const path = `${page.job?.links.result.slice(1)}${query}`;
          save(await blob(path, media), named(ending));
        } catch (error) {
          say(error instanceof Error ? error.message : String(error), true);
        }
        made.disabled = false;
      },
    },
  }, icon("download"), text);
  return made;
}

function maskButton() {
  const click = async () => {
    const place = page.job?.links.mask;
    const file = place ? await blob(place.slice(1), "image/png") : await maskFile();
    if (file) save(file, "mask.png");
  };
  return h("button", { class: "button", type: "button", on: { click } }, icon("download"),
    t("download_mask"));
}

function commandText() {
  const { job } = page;
  if (!job) return "";
  return curl(location.origin, {
    task: job.task, params: job.params, name: page.photo?.name ?? "photo.jpg",
    mask: job.links.mask !== null, kernel: kernelName(), key: savedKey() !== null, output: "",
  });
}

/** A kernel that was sent as a file: no words say it, and none was estimated. */
function kernelName() {
  const report = page.result?.report;
  if (page.job?.task !== "deblur" || page.job.params.kernel || report.blur) return null;
  const file = page.blur.file;
  return file instanceof File ? file.name : String(report.arguments?.kernel ?? "kernel.png");
}
