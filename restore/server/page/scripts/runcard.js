/** Start, with its cost; then progress, the time that is left, and cancel. */
import { h, icon } from "./dom.js";
import { ownButton } from "./downloads.js";
import { cancel, start, why } from "./job.js";
import { missing } from "./request.js";
import { leave } from "./result.js";
import { page, watch } from "./store.js";
import { duration, number, onLanguage, percent, t, translate } from "./words.js";

export function runCard() {
  const cost = h("p", { id: "cost", class: "small" });
  const label = h("span");
  const begin = h("button", {
    class: "button main", type: "button", id: "start", "aria-describedby": "cost",
    on: { click: () => void start() },
  }, label);
  const failure = h("div", { class: "message bad small", id: "failure" });
  const idle = h("div", { class: "stack" }, failure, cost, begin);
  const bar = h("progress", { max: 1, id: "bar", "data-word-label": "progress" });
  const now = h("span", { id: "doing" });
  const left = h("span", { class: "quiet number", id: "left" });
  const stop = h("button", {
    class: "button", type: "button", id: "cancel", on: { click: () => void cancel() },
  }, icon("clear"), h("span", { "data-word": "cancel" }));
  const busy = h("div", { class: "progress" }, h("p", { class: "split" }, now, left), bar, stop);
  const ready = h("div", { class: "stack" });
  const again = h("button", {
    class: "button", type: "button", id: "again", on: { click: leave },
  }, icon("undo"), h("span", { "data-word": "again" }));
  const card = h("section", { class: "card start", "data-word-label": "run" }, idle, busy, ready);

  const show = () => {
    idle.hidden = page.busy !== "none" || page.result !== null;
    busy.hidden = page.busy === "none";
    ready.hidden = page.result === null || page.busy !== "none";
    const lacking = missing();
    begin.disabled = lacking !== null;
    label.textContent = t(`start.${page.task}`);
    cost.textContent = lacking ? t(lacking) : costText();
    failure.hidden = page.job?.state !== "failed" || page.job.task !== page.task;
    if (page.job && !failure.hidden) failure.replaceChildren(icon("bad"), failed(page.job));
    progress();
  };

  function progress() {
    const { job } = page;
    const running = page.busy !== "none" && job?.state === "running" && job.steps > 0
      && job.step > 0;
    document.title = running ? `${percent(job.step / job.steps)} · photomend` : "photomend";
    if (page.busy === "none") return;
    if (running) bar.value = job.step / job.steps;
    else bar.removeAttribute("value");
    now.textContent = doing();
    left.textContent = running ? timeLeft() : "";
    stop.disabled = page.busy === "sending" || job?.canceling === true;
  }

  watch(["busy", "job", "cost", "photo", "masked", "params", "blur", "task", "result", "began"],
    show);
  const offer = () => {
    if (page.result) ready.replaceChildren(ownButton(), again);
    translate(ready);
  };
  watch(["result"], offer);
  onLanguage(() => {
    show();
    offer();
  });
  setInterval(progress, 500);
  show();
  return card;
}

/** What has gone wrong, for as long as it matters. @param {import("./types.js").Job} job */
function failed(job) {
  const { text, more } = why(job);
  return h("div", {}, h("strong", { text: t("failed") }), text,
    more && h("p", { lang: "en", text: more }));
}

/** How far it is. */
function doing() {
  const { job } = page;
  if (page.busy === "sending") return t("sending");
  if (!job || job.canceling) return t("canceling");
  if (job.state === "queued") return t("queued", { n: job.ahead ?? 0 });
  if (!job.step || !job.steps) {
    return t(page.task === "deblur" && page.blur.kind === "auto" ? "finding" : "preparing");
  }
  return t("step", { step: job.step, steps: job.steps });
}

function timeLeft() {
  const { job } = page;
  if (!job || job.step < 2 || !page.began) return "";
  const each = (performance.now() - page.began) / 1000 / (job.step - 1);
  const left = each * (job.steps - job.step);
  return job.step < job.steps ? t("left", { time: duration(left) }) : t("finishing");
}

/** What it costs, in words that say how that is known. */
function costText() {
  const { cost } = page;
  if (!cost) return t("cost_unknown");
  const parts = [];
  if (cost.seconds === null || cost.low === null || cost.high === null) {
    parts.push(t(page.looking === "asking" ? "cost_soon" : "cost_unknown"));
  } else {
    const values = { time: duration(cost.seconds), low: duration(cost.low),
      high: duration(cost.high), n: cost.jobs };
    parts.push(t(cost.basis === "trial" ? "cost_trial" : "cost_jobs", values));
  }
  const ahead = cost.ahead - (page.looking === "asking" ? 1 : 0); // the look at the photo is left
  if (ahead > 0) {
    parts.push(cost.wait === null ? t("ahead", { n: ahead })
      : t("ahead_wait", { n: ahead, time: duration(cost.wait) }));
  }
  return parts.join(" ");
}

/** A number of megapixels. @param {number} width @param {number} height */
export const megapixels = (width, height) => number((width * height) / 1e6);
