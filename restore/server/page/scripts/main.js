/** The page, put together. */
import { mountBars } from "./bars.js";
import { blurCard } from "./blur.js";
import { painter } from "./brush.js";
import { certificateCard } from "./certificate.js";
import { mountCost } from "./cost.js";
import { byId } from "./dom.js";
import { downloadsCard } from "./downloads.js";
import { mountEstimate } from "./estimate.js";
import { optionsCard } from "./form.js";
import { listen } from "./gestures.js";
import { mountHistory } from "./history.js";
import { resume, went } from "./job.js";
import { keep, keepFile, kept, keptFile } from "./memory.js";
import { complain, say } from "./notes.js";
import { mountPhoto, remembered } from "./photo.js";
import { photoCard } from "./photocard.js";
import { trouble } from "./problems.js";
import { runCard } from "./runcard.js";
import { Problem, json, pause } from "./service.js";
import { mount, surface, view } from "./stage.js";
import { mountStrip } from "./strip.js";
import { change, page, watch } from "./store.js";
import { mountTabs } from "./tabs.js";
import { mountTools, startTheme } from "./tools.js";
import { loadWords, t, translate } from "./words.js";

startTheme();
await loadWords(kept("language", null));
mountTools();
mountTabs();
mount();
listen(surface, view, painter);
mountPhoto();
mountBars();
mountStrip();
mountEstimate();
mountCost();
byId("panel").append(photoCard(), certificateCard(), blurCard(), downloadsCard(), optionsCard(),
  runCard());
watch(["result"], () => {
  byId("options-card").classList.toggle("unseen-now", page.result !== null);
  byId("panel").scrollTop = 0;
});
translate(document.documentElement);

await begin();
document.documentElement.dataset.ready = "true";

/** What the service offers; and everything as it was when the page was left. */
async function begin() {
  const settings = kept("settings", { task: page.task, params: page.params });
  const [told, priors] = await offered();
  const known = told.tasks.some((/** @type {any} */ task) => task.name === settings.task);
  change({
    tasks: told.tasks, solvers: told.solvers, priors: priors.priors,
    task: known ? settings.task : page.task, params: settings.params,
    blur: (await keptFile("blur")) ?? page.blur,
  });
  watch(["task", "params"], () => keep("settings", { task: page.task, params: page.params }));
  watch(["blur"], () => void keepFile("blur", page.blur));
  await mountHistory();
  await remembered();
  await resume();
  window.addEventListener("hashchange", went);
}

/** @returns {Promise<[any, any]>} tasks and priors, as soon as the service has them */
async function offered() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await Promise.all([json("v1/tasks"), json("v1/priors")]);
    } catch (error) {
      if (error instanceof Problem && error.status !== 503) complain(trouble(error));
      else if (attempt === 0) say(t("starting"));
      await pause(1000);
    }
  }
}
