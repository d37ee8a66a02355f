/** A photo comes in: dropped, pasted, picked, or as it was before the page was loaded again. */
import { mountBrush, takeMask } from "./brush.js";
import { byId, h, icon } from "./dom.js";
import { forgetEstimate, lookAt } from "./estimate.js";
import { letGo } from "./job.js";
import { keep, keepFile, keptFile } from "./memory.js";
import { say } from "./notes.js";
import { Picture } from "./picture.js";
import { view } from "./stage.js";
import { change, page, watch } from "./store.js";
import { t, translate } from "./words.js";

const KINDS = ".png,.jpg,.jpeg,.tif,.tiff,.webp,.bmp";
export const picker = h("input", {
  type: "file", accept: KINDS, hidden: true, id: "photo-file", "data-word-label": "open",
});

/**
 * Take a photo; the browser shows it, or else the service makes it a PNG.
 * @param {Blob} file
 * @param {string} name
 */
export async function take(file, name) {
  letGo();
  forgetEstimate();
  const picture = await Picture.from(file).catch(() => null);
  view.fitted = true;
  change({
    photo: picture && { file, name, picture },
    job: null, result: null, preview: null, errors: [], sample: 0, masked: 0,
  });
  history.replaceState(null, "", location.pathname);
  keep("name", name);
  await Promise.all([keepFile("photo", file), keepFile("mask", null)]);
  if (!picture) say(t("converting"));
  await lookAt(file, name);
}

/** @param {DataTransfer | null} data */
function fileOf(data) {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/") || file.name);
}

/** @param {File | undefined} file */
function came(file) {
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
    came(picker.files?.[0]);
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
    came(fileOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "file") return;
    const file = fileOf(event.clipboardData);
    if (file) came(file);
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
  const file = await keptFile("photo");
  if (!(file instanceof Blob)) return;
  const mask = await keptFile("mask");
  const named = JSON.parse(localStorage.getItem("photomend.name") ?? '"photo"');
  const found = await keptFile("found");
  const picture = await Picture.from(file).catch(() => null);
  if (picture) change({ photo: { file, name: named, picture } });
  if (found) change({ found, looking: "done" });
  if (!picture || !found) void lookAt(file, named);
  await Promise.resolve();
  if (mask instanceof Blob && picture) await takeMask(mask);
}
