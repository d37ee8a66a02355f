/** The state of the page in one place; who shows a part of it is told when that part changes. */

/**
 * @typedef {object} Page
 * @property {import("./types.js").Task[]} tasks
 * @property {{[name: string]: import("./types.js").Solver}} solvers
 * @property {import("./types.js").Prior[]} priors
 * @property {string} task
 * @property {{[task: string]: import("./types.js").Params}} params of each task, as changed
 * @property {import("./types.js").Blur} blur
 * @property {import("./types.js").Photo | null} photo
 * @property {"none" | "asking" | "done" | "failed"} looking the state of the estimate
 * @property {import("./types.js").Found | null} found
 * @property {import("./types.js").Cost | null} cost
 * @property {import("./types.js").Job | null} job the one that is shown
 * @property {"none" | "sending" | "following"} busy
 * @property {number} began when its steps began, by performance.now()
 * @property {import("./picture.js").Picture | null} preview
 * @property {import("./types.js").Result | null} result
 * @property {number} sample which picture is shown: 0 for the mean, or one of the samples
 * @property {import("./types.js").FieldError[]} errors of the last request
 * @property {string} mode how before and after are shown
 * @property {string} overlay
 * @property {number} strength of the overlay
 * @property {number} masked how many pixels of the mask are white
 * @property {string} tool
 * @property {number} opened how many jobs of the history were opened: options are theirs
 */

/** @type {Page} */
export const page = {
  tasks: [],
  solvers: {},
  priors: [],
  task: "deblur",
  params: {},
  blur: { kind: "auto", numbers: {}, file: null },
  photo: null,
  looking: "none",
  found: null,
  cost: null,
  job: null,
  busy: "none",
  began: 0,
  preview: null,
  result: null,
  sample: 0,
  errors: [],
  mode: "wipe",
  overlay: "none",
  strength: 0.7,
  masked: 0,
  tool: "brush",
  opened: 0,
};

/** @type {{keys: (keyof Page)[], heard: () => void}[]} */
const listeners = [];
/** @type {Set<() => void>} */
const waiting = new Set();

/**
 * Change some of it; those who listen are called once, before the next frame.
 * @param {Partial<Page>} changes
 */
export function change(changes) {
  const keys = /** @type {(keyof Page)[]} */ (Object.keys(changes)).filter(
    (key) => page[key] !== changes[key],
  );
  Object.assign(page, changes);
  if (!keys.length) return;
  if (!waiting.size) queueMicrotask(tell);
  for (const each of listeners) {
    if (each.keys.some((key) => keys.includes(key))) waiting.add(each.heard);
  }
  if (!waiting.size) return;
}

function tell() {
  const heard = [...waiting];
  waiting.clear();
  for (const each of heard) each();
}

/**
 * Call when one of these has changed.
 * @param {(keyof Page)[]} keys
 * @param {() => void} heard
 */
export function watch(keys, heard) {
  listeners.push({ keys, heard });
}

/** The parameters of the task that is chosen, as far as they were changed. */
export const params = () => page.params[page.task] ?? {};

/**
 * Set one of them; undefined takes it back to its default.
 * @param {string} name
 * @param {any} value
 */
export function setParam(name, value) {
  const own = { ...params(), [name]: value };
  if (value === undefined) delete own[name];
  change({ params: { ...page.params, [page.task]: own } });
}

/** Whether the brush paints. */
export const painting = () => page.task === "inpaint" && page.photo !== null && !page.result
  && page.busy === "none";
