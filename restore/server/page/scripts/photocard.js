/** The photo that is open: its name, size and kind. */
import { h, icon } from "./dom.js";
import { megapixels } from "./runcard.js";
import { enlargement } from "./request.js";
import { page, watch } from "./store.js";
import { onLanguage, t } from "./words.js";

export function photoCard() {
  const facts = h("dl", { class: "facts" });
  const card = h("section", { class: "card", id: "photo-card" },
    h("h2", {}, icon("photo"), h("span", { "data-word": "photo" })), facts);
  const show = () => {
    card.hidden = page.photo === null;
    if (!page.photo) return;
    const { name, picture } = page.photo;
    const { width, height } = picture;
    const report = page.found?.report;
    const rows = [["name", name],
      ["size", `${width} × ${height} (${megapixels(width, height)} MP)`]];
    if (report) rows.push(["kind", t("bits", { format: report.format, depth: report.depth })]);
    if (report?.jpeg) rows.push(["compressed", compression(report.jpeg)]);
    if (report?.enlarged) rows.push(["enlarged", before(report.enlarged)]);
    const larger = enlargement();
    if (larger > 1) rows.push(["becomes", `${width * larger} × ${height * larger}`]);
    facts.replaceChildren(...rows.flatMap(([word, value]) => [
      h("dt", { text: t(`photo.${word}`) }), h("dd", { text: value }),
    ]));
  };
  watch(["photo", "found", "task", "params"], show);
  onLanguage(show);
  show();
  return card;
}

/** @param {import("./types.js").Compression} jpeg */
function compression(jpeg) {
  const { quality, subsampling, cropped } = jpeg;
  const word = quality === null ? "jpeg_unusual" : "jpeg";
  const told = t(word, { quality: quality ?? "", subsampling });
  return cropped ? t("jpeg_cropped", { told }) : told;
}

/** @param {import("./types.js").Enlarged} enlarged */
function before({ size: [width, height] }) {
  return t("enlarged_from", { width, height });
}
