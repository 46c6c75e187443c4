// One node as it is shown: its element stays while its figures change, so that a keyboard keeps its place.

import { ask } from "./ask.js";
import { make } from "./dom.js";

const UNKNOWN = "unknown";
const known = (value) => (value === null || value === undefined ? make("dd", UNKNOWN, UNKNOWN) : make("dd", "", String(value)));
const fact = ([name, value]) => make("div", "", make("dt", "", name), known(value));

function gauge({ title, value, most, told, late }) {
  const bar = make("i");
  bar.style.width = `${Math.min(100, (100 * (value ?? 0)) / most)}%`;
  const made = make("div", "gauge", make("dt", "", title), known(told), make("span", "bar", bar));
  if (late) made.dataset.late = "yes";
  return made;
}

function slots({ taken, most }) {
  const places = Array.from({ length: most }, (_none, number) => make("i", number < taken ? "taken" : ""));
  const row = make("span", "slots", ...places);
  row.setAttribute("aria-hidden", "true");
  return make("div", "gauge", make("dt", "", "places taken"), make("dd", "", `${taken} of ${most}`), row);
}

/** The button that ends a talk: a second press is the confirmation, and leaving it takes the first one back. */
function ending(session, ended) {
  const button = make("button", "end", "End");
  const note = make("span", "note");
  note.setAttribute("role", "status");
  button.type = "button";
  const rest = () => {
    button.textContent = "End";
    delete button.dataset.sure;
  };
  button.addEventListener("blur", rest);
  button.addEventListener("keydown", (event) => event.key === "Escape" && rest());
  button.addEventListener("click", async () => {
    if (!button.dataset.sure) {
      button.dataset.sure = "asked";
      button.textContent = "End this talk?";
      return;
    }
    button.disabled = true;
    try {
      await ask(`/voice/sessions/${encodeURIComponent(session)}`, { method: "DELETE" });
      await ended();
    } catch (error) {
      note.textContent = error.message;
      button.disabled = false;
      rest();
    }
  });
  return make("p", "act", button, note);
}

export class NodeView {
  constructor(id, changed) {
    this.body = make("div");
    this.element = make("li", "node", this.body);
    this.element.dataset.node = id;
    this.changed = changed;
    this.shown = "";
  }

  show(node) {
    const told = JSON.stringify(node);
    if (told === this.shown) return;
    this.shown = told;
    const now = node.now ?? { ready: "ready", idle: "", unknown: UNKNOWN }[node.state] ?? node.state;
    const figures = [node.slots && slots(node.slots), ...(node.gauges ?? []).map(gauge), ...node.facts.map(fact)];
    const open = this.body.querySelector("details")?.open ?? false;
    this.body.replaceChildren(
      make("p", "name", make("span", "light"), make("b", "", node.title), now && make("span", "now", now)),
      make("dl", "", ...figures.filter(Boolean)),
      node.why ? reason(node, open) : "",
      node.repair ? make("p", "repair", node.repair) : "",
    );
    this.state(node.state);
    if (node.breaker) this.element.dataset.breaker = node.breaker;
    if (node.link && !this.acts) this.act(link(node.link));
    if (node.session && !this.acts) {
      const acts = ending(node.session, this.changed);
      acts.querySelector("button").setAttribute("aria-label", `End the talk with ${node.title}`);
      this.act(acts);
    }
  }

  act(acts) {
    this.acts = acts;
    this.element.append(acts);
  }

  state(state) {
    this.element.dataset.state = state;
  }

  /** Nothing is known of it any more; what it was is still readable, and told to be old. */
  forget(seen) {
    this.shown = "";
    this.state(UNKNOWN);
    const now = this.body.querySelector(".now");
    if (now) now.textContent = UNKNOWN;
    this.body.querySelector("dl")?.replaceChildren(fact(["state", null]), ...(seen ? [fact(["last seen", seen])] : []));
    for (const said of this.body.querySelectorAll(".why, .repair")) said.remove();
  }
}

/** Why it is as it is: at once where something is wrong, else for those who ask. */
function reason(node, open) {
  if (!["ready", "idle"].includes(node.state)) return make("p", "why", node.why);
  const made = make("details", "why", make("summary", "", "why"), make("p", "", node.why));
  made.open = open;
  return made;
}

function link([address, text]) {
  const made = make("a", "", text);
  made.href = address;
  return make("p", "act", made);
}
