/** A photo comes in: dropped, pasted, picked, or as it was before the page was loaded again. */
import { mountBrush, takeMask } from "./brush.js";
import { byId, h, icon } from "./dom.js";
import { converted, forgetEstimate, lookAt } from "./estimate.js";
import { letGo } from "./job.js";
import { keepFile, keepPhoto, keptFile, keptPhoto } from "./memory.js";
import { say } from "./notes.js";
import { Picture } from "./picture.js";
import { view } from "./stage.js";
import { change, page, watch } from "./store.js";
import { t, translate } from "./words.js";

const KINDS = ".png,.jpg,.jpeg,.tif,.tiff,.webp,.bmp";
export const picker = h("input", {
  type: "file", accept: KINDS, hidden: true, id: "photo-file", "data-word-label": "open",
});

/** How many photos were taken since the page was loaded. */
let came = 0;

/**
 * Take a photo; the browser shows it, or else the service makes it a PNG. What is no photo leaves
 * everything as it is.
 * @param {Blob} file
 * @param {string} name
 */
async function take(file, name) {
  const mine = ++came;
  const picture = await Picture.from(file).catch(() => converted(file));
  if (!picture || mine !== came) return;
  letGo();
  forgetEstimate();
  view.fitted = true;
  change({
    photo: { file, name, picture },
    job: null, result: null, preview: null, errors: [], sample: 0, masked: 0,
  });
  history.replaceState(null, "", location.pathname);
  await Promise.all([keepPhoto({ file, name, job: "" }), keepFile("mask", null)]);
  await lookAt(file);
}

/**
 * The photo that was dropped or pasted; null where it has been said why there is none.
 * @param {DataTransfer | null} data
 */
function fileOf(data) {
  const folder = [...(data?.items ?? [])].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  const files = [...(data?.files ?? [])];
  const pictures = files.filter((file) => file.type.startsWith("image/"));
  if (folder) say(t("folder"), true);
  else if (files.length > 1) say(t("first_of_many", { n: files.length }));
  return folder ? null : pictures[0] ?? files[0];
}

/** @param {File | null | undefined} file */
function open(file) {
  if (file === null) return;
  if (!file) {
    say(t("no_picture"), true);
  } else if (page.busy === "sending") {
    say(t("still_sending"), true);
  } else {
    void take(file, file.name || t("pasted"));
  }
}

export function mountPhoto() {
  const stage = byId("stage");
  picker.addEventListener("change", () => {
    open(picker.files?.[0]);
    picker.value = "";
  });
  stage.append(picker, dropZone());
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    open(fileOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "file") return;
    if (event.clipboardData?.files.length) open(fileOf(event.clipboardData));
  });
  mountBrush();
}

function dropZone() {
  const zone = h("div", { class: "drop" }, h("div", { class: "drop-inner" },
    icon("photo", "big"),
    h("h2", { "data-word": "drop_title" }),
    h("p", { class: "quiet", "data-word": "drop_text" }),
    h("button", {
      class: "button main", type: "button", id: "open", on: { click: () => picker.click() },
    }, icon("open"), h("span", { "data-word": "open" })),
    h("p", { class: "quiet small", "data-word": "drop_kinds" }),
  ));
  watch(["photo", "result", "looking"], () => {
    zone.hidden = page.photo !== null || page.result !== null || page.looking === "asking";
  });
  translate(zone);
  return zone;
}

/** The photo and the mask of the last visit. */
export async function remembered() {
  const last = await keptPhoto();
  if (!(last?.file instanceof Blob)) return;
  const { file, name } = last;
  const mask = await keptFile("mask");
  const found = await keptFile("found");
  const picture = await Picture.from(file).catch(() => converted(file));
  if (!picture || came) return; // another one was quicker
  change({ photo: { file, name, picture } });
  if (found) change({ found, looking: "done" });
  else void lookAt(file);
  await Promise.resolve();
  if (mask instanceof Blob) await takeMask(mask);
}
