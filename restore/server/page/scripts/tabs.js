/** The tasks as tabs. */
import { byId, h, icon } from "./dom.js";
import { say } from "./notes.js";
import { leave } from "./result.js";
import { change, page, watch } from "./store.js";
import { onLanguage, t } from "./words.js";

const KNOWN = ["deblur", "upscale", "inpaint", "restore"];

export function mountTabs() {
  const list = byId("tabs");
  const draw = () => {
    const focused = list.contains(document.activeElement);
    const tasks = page.tasks.filter((task) => task.name !== "estimate");
    list.replaceChildren(...tasks.map((task) => h("button", {
      class: "tab", type: "button", role: "tab", id: `tab-${task.name}`, "aria-controls": "panel",
      "aria-selected": String(task.name === page.task),
      tabindex: task.name === page.task ? "0" : "-1",
      on: { click: () => select(task.name) },
    }, icon(/** @type {"deblur"} */ (KNOWN.includes(task.name) ? task.name : "restore")),
    h("span", { text: t(`task.${task.name}`) }))));
    byId("panel").setAttribute("aria-labelledby", `tab-${page.task}`);
    if (focused) document.getElementById(`tab-${page.task}`)?.focus();
  };
  list.addEventListener("keydown", (event) => {
    const names = page.tasks.map((task) => task.name).filter((name) => name !== "estimate");
    const at = names.indexOf(page.task);
    /** @type {{[key: string]: number}} */
    const places = {
      ArrowRight: (at + 1) % names.length, ArrowLeft: (at + names.length - 1) % names.length,
      Home: 0, End: names.length - 1,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    select(names[places[event.key]]);
    document.getElementById(`tab-${page.task}`)?.focus();
  });
  watch(["tasks", "task"], draw);
  onLanguage(draw);
}

/** @param {string} task */
function select(task) {
  if (task === page.task) return;
  if (page.busy !== "none") {
    say(t("busy_now"));
    return;
  }
  if (page.result) leave();
  change({ task, errors: [] });
}
