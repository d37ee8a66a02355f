/** What the job would cost, asked again whenever it changes. */
import { asked, enlargement, kernelFile } from "./request.js";
import { json } from "./service.js";
import { change, page, watch } from "./store.js";

const CALM = 250; // milliseconds without a change
let timer = 0;
let number = 0;

async function estimate() {
  const picture = page.photo?.picture;
  if (!picture || !page.tasks.length) return;
  const mine = ++number;
  const own = /** @type {import("./types.js").Params} */ (asked());
  const query = new URLSearchParams({ task: page.task });
  query.set("pixels", String(picture.width * picture.height * enlargement() ** 2));
  for (const name of ["steps", "samples", "solver", "prior", "fidelity"]) {
    if (own[name] !== undefined) query.set(name, String(own[name]));
  }
  const blind = page.task === "deblur" && !own.kernel && !kernelFile();
  query.set("kernel", blind ? "estimated" : "given");
  const cost = await json(`v1/cost?${query}`).catch(() => null);
  if (mine === number) change({ cost });
}

export function mountCost() {
  watch(["photo", "task", "params", "blur", "found", "tasks", "busy"], () => {
    clearTimeout(timer);
    timer = window.setTimeout(estimate, CALM);
  });
}
