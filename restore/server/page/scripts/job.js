/** A job from its start to its end; a page that is loaded again goes on where it was. */
import { follow } from "./events.js";
import { keep, keepPhoto, kept } from "./memory.js";
import { complain, say } from "./notes.js";
import { Picture } from "./picture.js";
import { trouble } from "./problems.js";
import { form } from "./request.js";
import { leave, load } from "./result.js";
import { takeOver } from "./takeover.js";
import { Problem, ask, createJob, json } from "./service.js";
import { change, page } from "./store.js";
import { t } from "./words.js";

const PENDING = "pending";
/** @type {AbortController | null} */
let following = null;

/** @typedef {import("./types.js").Job} Job */

/** Ask for the job; `key` of one that may have been sent before. */
export async function start(key = /** @type {string} */ (crypto.randomUUID())) {
  change({ busy: "sending", errors: [], result: null, preview: null, sample: 0 });
  keep(PENDING, key);
  history.replaceState(null, "", location.pathname);
  try {
    const job = await createJob(await form(), key, () => say(t("sending_again")));
    keep(PENDING, null);
    remember(job);
    await watchJob(job);
  } catch (error) {
    keep(PENDING, null);
    change({ busy: "none" });
    if (error instanceof Problem) change({ errors: error.errors });
    complain(trouble(error));
  }
}

/** A job that was sent from here. @param {Job} job */
function remember(job) {
  name(job);
  if (page.photo) void keepPhoto({ file: page.photo.file, name: page.photo.name, job: job.id });
}

/** A name and a small picture for the history. @param {Job} job */
function name(job) {
  const names = kept("jobs", /** @type {{[id: string]: any}} */ ({}));
  names[job.id] = { name: page.photo?.name, small: page.photo?.picture.thumbnail(96) };
  keep("jobs", Object.fromEntries(Object.entries(names).slice(-60)));
}

/** A job has an address of its own: back leads to what was before. @param {string} id */
function goTo(id) {
  if (location.hash !== `#${id}`) history.pushState(null, "", `#${id}`);
}

/** Follow a job to its end. @param {Job} job */
async function watchJob(job) {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  goTo(job.id);
  change({ job, busy: "following", began: 0, preview: null });
  /** @param {string} kind @param {any} data */
  const heard = (kind, data) => void happened(job, kind, data, signal);
  const connected = (/** @type {boolean} */ now) => {
    if (!now) say(t("reconnecting"));
  };
  await follow(job.links.events.slice(1), heard, connected, signal);
  if (signal.aborted) return;
  await finished(job.links.self);
}

/**
 * @param {Job} job
 * @param {string} kind
 * @param {any} data
 * @param {AbortSignal} signal
 */
async function happened(job, kind, data, signal) {
  if (signal.aborted) return;
  const now = page.job ?? job;
  if (kind === "running" || kind === "queued") {
    change({ job: { ...now, state: kind }, began: 0 });
    if (kind === "queued") change({ job: await json(job.links.self.slice(1)) });
  } else if (kind === "progress") {
    if (!page.began || data.step === 1) change({ began: performance.now() });
    change({ job: { ...now, state: "running", step: data.step, steps: data.steps } });
  } else if (kind === "preview") {
    const picture = await Picture.from(jpeg(data.image), true);
    if (!signal.aborted && !page.result) change({ preview: picture });
  }
}

/** The JPEG of a data: address, which the policy of the page does not let be fetched. */
const jpeg = (/** @type {string} */ data) => new Blob(
  [Uint8Array.from(atob(data.split(",")[1]), (sign) => sign.charCodeAt(0))],
  { type: "image/jpeg" },
);

/**
 * @param {string} address
 * @param {boolean} [quiet] whether it was over before
 */
async function finished(address, quiet = false) {
  const job = /** @type {Job} */ (await json(address.slice(1)));
  change({ job, busy: "none" });
  if (job.state === "succeeded" && !job.expired) {
    const result = await load(job);
    if (page.job?.id !== job.id) return; // something else is shown by now
    change({ result, preview: null, sample: 0, overlay: "none" });
    if (!(job.id in kept("jobs", {}))) name(job);
    if (!quiet) say(t("done"));
  } else if (job.state === "failed") {
    change({ preview: null, errors: job.error?.errors ?? [] });
    complain(why(job));
  } else {
    change({ preview: null });
    if (job.state === "canceled") say(t("canceled"));
  }
}

/** Why a job has no result. @param {Job} job */
export const why = (job) => (job.error && !job.expired ? trouble(new Problem(job.error))
  : { text: t(`state.${job.expired ? "expired" : job.state}`), more: "" });

/** Cancel what runs; it ends after the step under way. */
export async function cancel() {
  if (!page.job) return;
  change({ job: { ...page.job, canceling: true } });
  await ask(page.job.links.self.slice(1), { method: "DELETE" }).catch((error) => {
    complain(trouble(error));
  });
}

/** Leave a job to the server: it goes on, and the page shows something else. */
export function letGo() {
  following?.abort();
  if (page.busy === "following") change({ busy: "none" });
}

/** The job that is being opened; a later wish takes its place. */
let opening = "";

/** Show a job of the history. @param {string} id */
export async function open(id) {
  opening = id;
  try {
    const job = /** @type {Job} */ (await json(`v1/jobs/${id}`));
    if (job.task === "estimate" || opening !== id) return;
    const under = job.state === "queued" || job.state === "running";
    if (job.expired || !(under || job.state === "succeeded")) {
      complain(why(job));
      return;
    }
    letGo();
    goTo(id);
    change({ result: null, preview: null, sample: 0, errors: [] });
    await takeOver(job);
    if (opening !== id) return;
    if (under) void watchJob(job);
    else await finished(job.links.self, true);
  } catch (error) {
    history.replaceState(null, "", location.pathname);
    if (!(error instanceof Problem && error.status === 404)) throw error;
    say(t("gone"));
  } finally {
    if (opening === id) opening = "";
  }
}

/** Back and forward, and an address that is typed. */
export function went() {
  const id = location.hash.slice(1);
  if (page.busy === "sending" || id === (opening || (page.job?.id ?? ""))) return;
  if (id) void open(id);
  else {
    opening = "";
    letGo();
    leave();
  }
}

/** Go on with what was under way when the page was left. */
export async function resume() {
  const key = kept(PENDING, /** @type {string | null} */ (null));
  const id = location.hash.slice(1);
  if (key && page.photo) await start(key);
  else if (/^[0-9a-f]{32}$/.test(id)) await open(id);
}
