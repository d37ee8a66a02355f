/** The jobs of this service, the newest first; they are there after a reload, and elsewhere. */
import { byId, h, icon } from "./dom.js";
import { open } from "./job.js";
import { kept } from "./memory.js";
import { leave } from "./result.js";
import { ask, json } from "./service.js";
import { page, watch } from "./store.js";
import { clock, onLanguage, t, translate } from "./words.js";

const SHOWN = 40;
/** @type {import("./types.js").Job[]} */
let jobs = [];

export function mountHistory() {
  const place = byId("history");
  const title = h("h2", { id: "history-title", "data-word": "history" });
  const list = h("ul", { id: "jobs", tabindex: "0", "aria-labelledby": "history-title" });
  place.append(h("div", { class: "history-head" }, title), list);
  translate(place);

  const draw = () => {
    place.hidden = jobs.length === 0;
    const at = document.activeElement?.closest("[data-job]")?.getAttribute("data-job");
    list.replaceChildren(...jobs.map(entry));
    const same = at ? list.querySelector(`[data-job="${at}"] .job-open`) : null;
    if (same instanceof HTMLElement) same.focus();
  };
  const refresh = async () => {
    const told = await json("v1/jobs?limit=100").catch(() => null);
    if (!told) return;
    jobs = told.jobs.filter((/** @type {any} */ job) => job.task !== "estimate").slice(0, SHOWN);
    draw();
  };
  refreshed = refresh;
  let state = "";
  watch(["job", "busy"], () => {
    const now = `${page.job?.id} ${page.job?.state} ${page.busy}`;
    if (now === state) return;
    state = now;
    void refresh();
  });
  onLanguage(draw);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void refresh();
  });
  return refresh();
}

/** @type {() => Promise<void>} */
let refreshed = async () => {};

/** @param {import("./types.js").Job} job */
function entry(job) {
  const known = kept("jobs", /** @type {{[id: string]: any}} */ ({}))[job.id];
  const kind = /** @type {"deblur"} */ (job.task);
  const picture = known?.small ? h("img", { src: known.small, alt: "" })
    : h("span", { class: "blank" }, icon(kind));
  const name = known?.name ?? clock(job.created);
  const state = job.expired ? t("state.expired") : t(`state.${job.state}`);
  const about = `${t(`task.${job.task}`)} · ${state}`;
  const click = () => void open(job.id);
  return h("li", { class: "job", "data-job": job.id },
    h("button", {
      class: "job-open", type: "button", title: `${name} · ${clock(job.created)}`,
      "aria-current": job.id === page.job?.id ? "true" : null, on: { click },
    }, picture, h("span", { class: "job-name", text: name }),
    h("span", { class: "job-state", text: about })),
    h("button", {
      class: "tool", type: "button", title: t("forget"), "aria-label": t("forget_of", { name }),
      on: { click: () => void forget(job) },
    }, icon("clear")));
}

/** Remove a job that has ended, or cancel it. @param {import("./types.js").Job} job */
async function forget(job) {
  await ask(job.links.self.slice(1), { method: "DELETE" }).catch(() => {});
  if (page.job?.id === job.id && page.busy === "none") leave();
  await refreshed();
}
