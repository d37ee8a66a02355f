/** The options of the task, drawn from its schema: the few that matter, and the others. */
import { byId, h, icon } from "./dom.js";
import { field } from "./fields.js";
import { noiseField } from "./blur.js";
import { said } from "./problems.js";
import { TEXT, prior, readsText } from "./request.js";
import { change, page, params, setParam, watch } from "./store.js";
import { onLanguage, t } from "./words.js";

const OWN = ["kernel", "noise", "options"]; // have controls of their own
const FIRST = ["operator", "factor", "filter", ...TEXT, "fidelity", "samples", "steps"];
const FIDELITY = 0.7; // where the slider stands while it is left to the service
const CHAINS = ["jpeg", "grayscale", "gaussian:1 @ disk:3", "jpeg:75 @ gaussian:1",
  "downsample:4 @ gaussian:2"];

export const task = () => page.tasks.find((each) => each.name === page.task);

/** What the service takes where nothing is said. @param {string} name */
function usual(name) {
  if (name === "fidelity") return FIDELITY;
  if (name === "steps") return page.cost?.steps ?? null;
  return task()?.schema.properties?.[name]?.default ?? null;
}

export function optionsCard() {
  const main = h("div", { class: "stack wide" });
  const more = h("div", { class: "stack wide" });
  const solverOptions = h("div", { class: "stack wide" });
  const rest = h("details", {}, h("summary", { "data-word": "more_options" }), more,
    solverOptions);
  const card = h("section", { class: "card", id: "options-card" },
    h("h2", {}, icon("options"), h("span", { "data-word": "options" })), main, noiseField(), rest);

  function draw() {
    const own = task()?.schema.properties ?? {};
    const text = readsText();
    const names = Object.keys(own).filter((name) => !OWN.includes(name)
      && (text || !TEXT.includes(name)));
    const lead = FIRST.filter((name) => names.includes(name));
    main.replaceChildren(...lead.map(one));
    if (lead.includes("operator")) main.firstElementChild?.append(chains());
    more.replaceChildren(...names.filter((name) => !lead.includes(name)).map(one));
    drawSolver();
    mark();
  }

  /** @param {string} name */
  function one(name) {
    const schema = task()?.schema.properties?.[name] ?? {};
    const made = field(name, schema, params()[name], usual(name), (value) => {
      setParam(name, value);
      if (name === "solver") {
        setParam("options", undefined);
        drawSolver();
      }
      if (name !== "prior") return;
      tell();
      if (readsText() === text) return;
      draw();
      document.getElementById("params-prior")?.focus();
    });
    const text = readsText();
    const told = h("p", { class: "help" });
    const tell = () => {
      const licence = prior()?.licence;
      told.textContent = licence ? t("licence", { licence }) : "";
    };
    if (name === "prior") {
      tell();
      made.append(told);
    }
    return made;
  }

  function drawSolver() {
    const solver = page.solvers[params().solver];
    solverOptions.replaceChildren(...Object.entries(solver?.options ?? {}).map(([name, schema]) => {
      const options = params().options ?? {};
      return field(name, schema, options[name], schema.default, (value) => {
        const next = { ...params().options, [name]: value };
        if (value === undefined) delete next[name];
        setParam("options", Object.keys(next).length ? next : undefined);
      }, `params.options.${name}`);
    }));
    if (solver) solverOptions.prepend(h("p", { class: "quiet small", text: solver.description }));
  }

  /** Show what the service refused at the option that it named. */
  function mark() {
    for (const each of byId("panel").querySelectorAll("[data-field]")) {
      const wrong = page.errors.filter((error) => error.field === each.getAttribute("data-field"));
      const place = each.querySelector(".error");
      each.classList.toggle("wrong", wrong.length > 0);
      place?.replaceChildren(...wrong.map(said).flatMap(({ text, more }) => [h("span", { text }),
        more && h("span", { class: "small more", lang: "en", text: more })]));
      if (wrong.length && rest.contains(each)) rest.open = true;
    }
    const first = byId("panel").querySelector(".wrong input, .wrong select, .wrong textarea");
    if (first instanceof HTMLElement) first.focus();
  }

  /** @type {number | null} */
  let steps = null;
  watch(["task", "tasks", "opened"], draw);
  watch(["errors"], mark);
  watch(["cost"], () => {
    if (page.cost?.steps === steps || card.contains(document.activeElement)) return;
    steps = page.cost?.steps ?? null;
    draw();
  });
  onLanguage(draw);
  return card;
}

/** Examples of operators, to begin with. */
function chains() {
  return h("div", { class: "row" }, ...CHAINS.map((chain) => h("button", {
    class: "button small", type: "button", text: chain,
    on: {
      click: () => {
        setParam("operator", chain);
        change({ errors: [] });
        const input = document.getElementById("params-operator");
        if (input instanceof HTMLInputElement) input.value = chain;
      },
    },
  })), h("p", { class: "quiet small", text: t("chains_help") }));
}
