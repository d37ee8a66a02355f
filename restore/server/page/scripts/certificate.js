/** The certificate in plain words: does the result explain the photo, and where not? */
import { described } from "./blur.js";
import { h, icon } from "./dom.js";
import { change, page, watch } from "./store.js";
import { duration, number, onLanguage, percent, t } from "./words.js";

export function certificateCard() {
  const inside = h("div", { class: "stack" });
  const card = h("section", { class: "card", id: "certificate" },
    h("h2", {}, icon("certificate"), h("span", { "data-word": "certificate" })), inside);
  const show = () => {
    const report = page.result?.report;
    card.hidden = !report?.certificate;
    if (report?.certificate) inside.replaceChildren(...content(report));
  };
  watch(["result"], show);
  onLanguage(show);
  show();
  return card;
}

/** @param {any} report */
function content(report) {
  const { certificate } = report;
  const [chi] = certificate.chi_square;
  const [low, high] = certificate.band;
  const [unexplained] = certificate.unexplained;
  const [accepted] = certificate.accepted;
  const verdict = chi < low ? "over" : !accepted ? "bad" : unexplained ? "parts" : "good";
  const kind = { over: "warn", bad: "bad", parts: "warn", good: "good" }[verdict];
  const values = { share: percent(Math.max(0.01, unexplained)) };
  return [
    h("div", { class: `message ${kind}`, id: "verdict" }, icon(kind), h("div", {},
      h("strong", { text: t(`verdict.${verdict}`) }), t(`verdict.${verdict}.more`, values))),
    page.result?.overlays.unexplained && unexplained > 0 && where(),
    h("ul", { class: "points small" }, ...points(report).map((text) => h("li", { text }))),
    h("details", {}, h("summary", { text: t("numbers") }), facts(report, chi, low, high)),
  ].filter((each) => each instanceof HTMLElement);
}

/** A button that shows where the photo is not explained. */
function where() {
  return h("button", {
    class: "button", type: "button", id: "where",
    on: { click: () => change({ overlay: "unexplained" }) },
  }, icon("info"), t("where"));
}

/** @param {any} report */
function points(report) {
  const found = [];
  if (report.blur) {
    found.push(t("point_blur", { blur: described(report.blur),
      confidence: percent(report.blur.confidence) }));
  }
  const sigma = /sigma=([\d.e-]+)/.exec(report.noise?.model ?? "");
  if (sigma && Number(sigma[1]) > 0) {
    const values = { levels: number(255 * Number(sigma[1])) };
    found.push(t(report.noise.estimated ? "point_noise" : "point_noise_given", values));
  } else if (report.task === "inpaint") {
    found.push(t("point_exact"));
  }
  if (report.allowed_noise) {
    found.push(t("point_allowed", { levels: number(255 * report.certificate.sigma) }));
  }
  found.push(t(report.samples > 1 ? "point_samples" : "point_one", { n: report.samples }));
  found.push(t("point_necessary"));
  return found;
}

/**
 * @param {any} report
 * @param {number} chi
 * @param {number} low
 * @param {number} high
 */
function facts(report, chi, low, high) {
  /** @type {[string, string][]} */
  const rows = [
    ["chi", t("chi_value", { chi: number(chi), low: number(low), high: number(high) })],
    ["ceiling", report.prior_ceiling_db?.[0] ? `${number(report.prior_ceiling_db[0])} dB` : "–"],
    ["size", `${report.size[0]} × ${report.size[1]}`],
    ["prior", String(report.prior)],
    ["solver", String(report.solver)],
    ["seed", report.seeds.join(", ")],
    ["evaluations", number(report.evaluations)],
    ["time", duration(report.seconds)],
    ["memory", `${number((report.peak_memory_bytes ?? 0) / 2 ** 20)} MiB`],
    ["device", `${report.device}, ${report.dtype}`],
  ];
  return h("dl", { class: "facts small" }, ...rows.flatMap(([name, value]) => [
    h("dt", { text: t(`fact.${name}`) }), h("dd", { text: value }),
  ]));
}
