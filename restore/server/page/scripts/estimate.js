/** What the photo tells of itself: a small job of the service, asked for with every photo. */
import { keepFile } from "./memory.js";
import { complain, say } from "./notes.js";
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

/** @param {Blob} file */
function asked(file) {
  const form = new FormData();
  form.set("task", "estimate");
  form.set("params", JSON.stringify(page.params[page.task]?.prior
    ? { prior: page.params[page.task].prior } : {}));
  form.set("image", file, "image");
  return createJob(form, crypto.randomUUID(), () => {});
}

/**
 * A photo that the browser cannot decode, as the service shows it; null where it cannot either,
 * which is said.
 * @param {Blob} file
 */
export async function converted(file) {
  say(t("converting"));
  try {
    const shown = await asked(file);
    try {
      return await Picture.from(await blob(shown.links.image.slice(1), "image/png"));
    } finally {
      void ask(shown.links.self.slice(1), { method: "DELETE" }).catch(() => {});
    }
  } catch (error) {
    complain(trouble(error));
    return null;
  }
}

/** @param {Blob} file */
export async function lookAt(file) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  change({ looking: "asking" });
  try {
    const mine = await asked(file);
    job = mine;
    if (signal.aborted) return void drop();
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
    if (errors.length) {
      change({ photo: null });
      void keepFile("photo", null);
    }
    complain(trouble(error));
  } finally {
    if (!signal.aborted) void drop();
  }
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
    if (idle && page.photo && !page.found) void lookAt(page.photo.file);
  });
  watch(["busy"], () => {
    if (page.busy !== "sending" || page.looking !== "asking") return;
    asking?.abort();
    asking = null;
    change({ looking: "none" });
    void drop();
  });
}
