// The Tools page: what the API tells, shown; what the operator orders, sent. It decides nothing.

import { ask } from "./ask.js";
import { Audit } from "./audit.js";
import { byId, make, ms, whenBuilt } from "./dom.js";
import { Trial } from "./trial.js";

const NEEDED = ["wb-providers", "wb-tools", "wb-trial", "wb-trial-result", "wb-turns", "wb-audit", "wb-audit-session"];
const REFRESH_MS = 5000;
const BREAKERS = { closed: "asked as usual", open: "not asked: it failed too often", half_open: "one call may try" };

function provider(told) {
  const state = told.ready ? "ready" : "unavailable";
  const calls = told.calls;
  const asked = told.latency_ms === null ? "not answered" : `answered in ${ms(told.latency_ms)}`;
  const facts = [["asked", told.kind === "local" ? "nobody: they are functions of this process" : asked]];
  if (calls) {
    facts.push(["breaker", BREAKERS[calls.breaker]]);
    facts.push(["calls", `${calls.calls} (${calls.failures} failures), ${calls.running} running, ${calls.waiting} waiting`]);
    facts.push(["last answer", calls.last_latency_ms === null ? "unknown" : ms(calls.last_latency_ms)]);
    if (calls.last_error) facts.push(["last error", calls.last_error]);
  }
  if (told.repair) facts.push(["mend", told.repair]);
  for (const notice of told.notices) facts.push(["note", notice]);
  const row = make(
    "li", "",
    make("p", "name", make("span", "light"), make("b", "", told.name), make("span", "kind", told.kind), make("span", "now", told.ready ? "ready" : "not ready")),
    make("p", "why", told.reason),
    make("dl", "", ...facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value)))),
  );
  row.dataset.provider = told.name;
  row.dataset.state = state;
  if (calls) row.dataset.breaker = calls.breaker;
  return row;
}

function tool(told, choose) {
  const button = make("button", "try", "Try");
  button.type = "button";
  button.setAttribute("aria-label", `Try ${told.name}`);
  button.addEventListener("click", () => choose(told.name));
  const row = make(
    "li", "",
    make("p", "name", make("b", "", told.name), make("span", `tier ${told.tier}`, told.tier), make("span", "kind", told.provider), told.ready ? "" : make("span", "away", "not ready")),
    make("p", "", told.description),
    make("p", "why", told.phrases.length ? `“${told.phrases.slice(0, 3).join("”, “")}”` : "asked for by its name and its description"),
    make("p", "why", told.personas.length ? `personas: ${told.personas.join(", ")}` : "no persona may use it"),
    button,
  );
  row.dataset.tool = told.name;
  return row;
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

/** How the results of one engine's talks reached people. */
function turns([engine, told]) {
  const row = make(
    "li", "",
    make("p", "name", make("b", "", engine)),
    make("p", "why", `${told.n} results were delivered`),
    make("p", "", `before ${percent(told.content_share)} the agent had said content of its own ↓`),
    make("p", "", `${percent(told.interrupted_share)} were broken into`),
    make("p", "", told.fidelity_n ? `median word error rate ${told.fidelity_p50_wer.toFixed(2)} (${told.fidelity_n} heard) ↓` : "word error rate unknown"),
  );
  row.dataset.engine = engine;
  return row;
}

class Page {
  constructor() {
    this.trial = new Trial(() => this.refresh());
    this.audit = new Audit();
    this.shown = "";
    this.refresh();
    this.tellTurns();
    setInterval(() => document.hidden || this.refresh(), REFRESH_MS);
  }

  async tellTurns() {
    let rows;
    try {
      rows = Object.entries(await ask("/api/tools/turns")).map(turns);
    } catch (error) {
      rows = [make("li", "why", error.message)];
    }
    byId("wb-turns").replaceChildren(...(rows.length ? rows : [make("li", "why", "None yet: ask for a tool on the Talk page.")]));
  }

  async refresh() {
    const state = byId("wb-tools-state");
    try {
      const told = await ask("/api/tools");
      byId("wb-providers").replaceChildren(...told.providers.map(provider));
      const choose = (name) => this.trial.choose(name);
      const tools = JSON.stringify(told.tools);
      // Only what changed is drawn anew: a keyboard's place among the buttons would be lost every few seconds.
      if (tools !== this.shown) byId("wb-tools").replaceChildren(...told.tools.map((one) => tool(one, choose)));
      this.shown = tools;
      this.trial.offer(told.tools);
      const asked = `Every provider was asked at ${new Date(told.probed_at).toLocaleTimeString()}.`;
      const more = told.providers.length > 1 ? "" : " Only the workbench's own functions are there: describe others in workbench.toml (see workbench.example.toml).";
      state.textContent = asked + more;
      state.dataset.state = "up";
    } catch (error) {
      state.textContent = `What is shown is old: ${error.message} The page tries again by itself.`;
      state.dataset.state = "down";
      for (const row of byId("wb-providers").children) {
        row.dataset.state = "unknown";
        row.querySelector(".now").textContent = "unknown";
      }
    }
  }
}

whenBuilt(NEEDED, () => new Page());
