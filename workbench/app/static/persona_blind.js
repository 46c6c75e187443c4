// Two versions of a persona against each other, blind. Which is which only the server knows, until there is a vote.

import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

const LOOK_MS = 3000;
const NAME = "wb-rater";

const send = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export class Blind {
  /** `voted` is called after every vote. */
  constructor(voted) {
    this.voted = voted;
    this.trial = null;
    byId("wb-vote-rater").value = localStorage.getItem(NAME) ?? "";
    byId("wb-blind").addEventListener("submit", (event) => this.run(event, () => this.begin()));
    byId("wb-vote").addEventListener("submit", (event) => this.run(event, () => this.vote()));
    setInterval(() => this.trial && !document.hidden && this.look(), LOOK_MS);
  }

  /** What can be drawn from: the versions of one persona. */
  offer(persona, versions) {
    if (this.persona !== persona) this.close();
    this.persona = persona;
    byId("wb-blind").hidden = versions.length < 2;
    byId("wb-blind-why").textContent = versions.length < 2 ? "Takes two versions: save an edit first." : "Talk to both without knowing which is which, then vote.";
    for (const [number, id] of ["wb-blind-first", "wb-blind-second"].entries()) {
      const options = versions.map((one) => new Option(`${one.version.slice(0, 8)}${one.current ? ", in use" : ""}`, one.version));
      byId(id).replaceChildren(...options);
      if (versions.length > 1) byId(id).selectedIndex = number;
    }
  }

  close() {
    this.trial = null;
    byId("wb-vote").hidden = true;
    this.say("");
  }

  async run(event, act) {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      this.say(error.message, "error");
    } finally {
      button.disabled = false;
    }
  }

  async begin() {
    const versions = [byId("wb-blind-first").value, byId("wb-blind-second").value];
    this.trial = await ask("/api/blind", send({ persona_id: this.persona, versions }));
    byId("wb-vote").reset();
    byId("wb-vote-rater").value = localStorage.getItem(NAME) ?? "";
    byId("wb-vote").hidden = false;
    this.say("");
    this.show();
  }

  show() {
    const links = ["A", "B"].map((arm) => {
      const link = make("a", "", `Talk to ${arm}${this.trial.talked[arm] ? " ✓" : ""}`);
      link.href = `/?persona=${encodeURIComponent(this.trial.personas[arm])}`;
      link.target = "_blank";
      link.dataset.arm = arm;
      link.dataset.talked = String(this.trial.talked[arm]);
      return link;
    });
    byId("wb-vote-talks").replaceChildren(...links);
  }

  async look() {
    try {
      const told = await ask(`/api/blind/${this.trial.trial_id}`);
      if (JSON.stringify(told) === JSON.stringify(this.trial)) return;
      this.trial = told;
      this.show();
    } catch (error) {
      this.say(error.message, "error");
    }
  }

  async vote() {
    const chosen = byId("wb-vote").querySelector("[name=preferred]:checked");
    if (!chosen) throw new Error("Say which was better, or that neither was.");
    const rater = byId("wb-vote-rater").value;
    localStorage.setItem(NAME, rater);
    const body = { preferred: chosen.value || null, rater, note: byId("wb-vote-note").value };
    const told = await ask(`/api/blind/${this.trial.trial_id}/vote`, send(body));
    this.close();
    this.say(`A was ${told.versions.A.slice(0, 8)}, B was ${told.versions.B.slice(0, 8)}. Your vote is kept with both talks.`, "fine");
    this.voted();
  }

  say(text, kind = "") {
    const said = byId("wb-blind-said");
    said.textContent = text;
    said.className = kind && `note ${kind}`;
  }
}
