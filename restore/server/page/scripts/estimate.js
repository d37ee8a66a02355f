/** What the photo tells of itself: a small job of the service, asked for with every photo. */
import { keepFile } from "./memory.js";
import { complain } from "./notes.js";
import { Picture } from "./picture.js";
import { trouble } from "./problems.js";
import { Problem, ask, blob, createJob, json } from "./service.js";
import { change, page, watch } from "./store.js";
import { t } from "./words.js";

/** @type {AbortController | null} */
let asking = null;
/** @type {import("./types.js").Job | null} */
let job = null;

/** The estimate is of no use any more: the queue is free of it. */
export function forgetEstimate() {
  asking?.abort();
  asking = null;
  void drop();
  change({ found: null, looking: "none", cost: null });
  void keepFile("found", null);
}

async function drop() {
  const old = job;
  job = null;
  if (!old) return;
  const options = { method: "DELETE", keepalive: true };
  await ask(old.links.self.slice(1), options).catch(() => {});
}

/**
 * @param {Blob} file
 * @param {string} name
 */
export async function lookAt(file, name) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  change({ looking: "asking" });
  const form = new FormData();
  form.set("task", "estimate");
  form.set("params", JSON.stringify(page.params[page.task]?.prior
    ? { prior: page.params[page.task].prior } : {}));
  form.set("image", file, "image");
  try {
    const mine = await createJob(form, crypto.randomUUID(), () => {});
    job = mine;
    if (signal.aborted) return void drop();
    if (!page.photo) await show(mine, file, name);
    await ended(mine, signal);
    if (signal.aborted) return;
    const report = await json(mine.links.result.slice(1));
    const drawn = report.files["kernel.png"];
    const kernel = drawn ? await blob(drawn.slice(1), "image/png") : null;
    const found = { report, kernel };
    change({ found, looking: "done" });
    void keepFile("found", found);
  } catch (error) {
    if (signal.aborted) return;
    change({ looking: "failed" });
    const errors = error instanceof Problem ? error.errors.filter((e) => e.field === "image") : [];
    if (errors.length) change({ photo: null });
    complain(trouble(error));
  } finally {
    if (!signal.aborted) void drop();
  }
}

/**
 * The browser cannot decode the photo: show it as the service does.
 * @param {import("./types.js").Job} mine
 * @param {Blob} file
 * @param {string} name
 */
async function show(mine, file, name) {
  const picture = await Picture.from(await blob(mine.links.image.slice(1), "image/png"));
  change({ photo: { file, name, picture } });
}

/**
 * @param {import("./types.js").Job} mine
 * @param {AbortSignal} signal
 */
async function ended(mine, signal) {
  for (;;) {
    const headers = { Prefer: "wait=20" };
    const now = await json(mine.links.self.slice(1), { headers, signal });
    if (now.state === "succeeded") return;
    if (now.state === "failed") throw new Problem(now.error);
    if (now.state === "canceled") throw new Error(t("canceled"));
  }
}

/**
 * A job that starts does not wait behind an estimate that nobody waits for; who then goes back to
 * the options has it made.
 */
export function mountEstimate() {
  window.addEventListener("pagehide", () => void drop());
  watch(["result"], () => {
    const idle = page.result === null && page.busy === "none" && page.looking === "none";
    if (idle && page.photo && !page.found) void lookAt(page.photo.file, page.photo.name);
  });
  watch(["busy"], () => {
    if (page.busy !== "sending" || page.looking !== "asking") return;
    asking?.abort();
    asking = null;
    change({ looking: "none" });
    void drop();
  });
}
