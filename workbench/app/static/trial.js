// One tool called by hand. Whether the operator's word suffices is the server's to say.

import { ask } from "./ask.js";
import { byId, make, ms } from "./dom.js";

const NEEDS_A_WORD = 409;

/** Arguments to begin with: the required ones, with a value of their type. */
function example(schema) {
  const values = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} };
  const properties = schema.properties ?? {};
  return Object.fromEntries((schema.required ?? []).map((name) => [name, properties[name]?.enum?.[0] ?? values[properties[name]?.type] ?? ""]));
}

export class Trial {
  /** `done` is called after every call. */
  constructor(done) {
    this.done = done;
    this.tools = new Map();
    this.picked = byId("wb-trial-tool");
    this.given = byId("wb-trial-arguments");
    this.picked.addEventListener("change", () => this.show());
    byId("wb-trial").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
  }

  offer(tools) {
    const before = this.picked.value;
    this.tools = new Map(tools.map((tool) => [tool.name, tool]));
    if ([...this.picked.options].map((option) => option.value).join() !== [...this.tools.keys()].join()) {
      this.picked.replaceChildren(...tools.map((tool) => new Option(`${tool.name} (${tool.tier})`, tool.name)));
      if (this.tools.has(before)) this.picked.value = before;
      else this.show();
    }
    for (const part of [this.picked, this.given, byId("wb-trial-run")]) part.disabled = !tools.length;
  }

  choose(name) {
    this.picked.value = name;
    this.show();
    this.given.focus();
    byId("wb-trial").scrollIntoView({ block: "center" });
  }

  show() {
    const tool = this.tools.get(this.picked.value);
    this.given.value = tool ? JSON.stringify(example(tool.parameters)) : "{}";
    this.askForWord("");
    byId("wb-trial-result").replaceChildren();
  }

  askForWord(plan) {
    byId("wb-trial-plan").textContent = plan;
    byId("wb-trial-word").hidden = !plan;
    byId("wb-trial-phrase").value = "";
    if (plan) byId("wb-trial-phrase").focus();
  }

  async run() {
    const button = byId("wb-trial-run");
    let given;
    try {
      given = JSON.parse(this.given.value || "{}");
    } catch (error) {
      this.tell("error", `The arguments are no JSON: ${error.message}`);
      return;
    }
    button.disabled = true;
    button.textContent = "Running";
    try {
      const body = JSON.stringify({ arguments: given, phrase: byId("wb-trial-phrase").value });
      const options = { method: "POST", headers: { "Content-Type": "application/json" }, body };
      const told = await ask(`/api/tools/${encodeURIComponent(this.picked.value)}/call`, options);
      this.askForWord("");
      const heading = `${told.tool}: ${told.status} after ${ms(told.latency_ms)}`;
      this.tell(told.status, heading, told.error || told.spoken, told.result);
      this.done();
    } catch (error) {
      if (error.status === NEEDS_A_WORD) {
        this.askForWord(error.message);
        this.tell("waiting", "Nothing was done: it waits for your word.");
      } else this.tell("error", error.message);
    } finally {
      button.disabled = false;
      button.textContent = "Run it";
    }
  }

  tell(status, heading, text = "", data = null) {
    const card = make("div", "card", make("p", "heading", heading), text && make("p", "", text));
    if (data) card.append(make("pre", "", JSON.stringify(data, null, 2)));
    card.dataset.status = status;
    byId("wb-trial-result").replaceChildren(card);
  }
}
