// The Personas page: the library, and one persona under an address of its own (`?persona=ID`).

import { ask } from "./ask.js";
import { byId, make, whenBuilt } from "./dom.js";
import { Blind } from "./persona_blind.js";
import { Editor } from "./persona_editor.js";
import { scores } from "./persona_scores.js";
import { Voices } from "./persona_voices.js";

const NEEDED = ["wb-people", "wb-edit", "wb-edit-text", "wb-versions", "wb-scores", "wb-new"];

const when = (time) => `last ${new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
const many = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

class Page {
  constructor() {
    this.chosen = new URLSearchParams(location.search).get("persona");
    this.editor = new Editor((id) => this.saved(id));
    new Voices();
    this.blind = new Blind(() => this.reread());
    byId("wb-new").addEventListener("click", () => this.fresh());
    window.addEventListener("popstate", () => this.open(new URLSearchParams(location.search).get("persona"), false));
    this.list();
  }

  async list() {
    const state = byId("wb-people-state");
    try {
      const told = await ask("/api/personas");
      byId("wb-people").replaceChildren(...told.personas.map((one) => this.person(one, told.standard)), ...Object.entries(told.faults).map(fault));
      state.textContent = told.personas.length ? `${many(told.personas.length, "persona")}` : "None can be read. Start with a new one.";
      state.dataset.state = "up";
      byId("wb-new").disabled = false;
      if (this.chosen === null && told.personas.length) this.chosen = told.standard;
      if (this.chosen !== null && this.editor.id !== this.chosen) await this.open(this.chosen, false);
      this.mark();
    } catch (error) {
      state.textContent = `The library cannot be read: ${error.message}`;
      state.dataset.state = "down";
    }
  }

  person(one, standard) {
    const worst = one.notes.find((note) => note.level === "error") ?? one.notes[0];
    const link = make(
      "a", "",
      make("b", "", one.name),
      make("span", "why", `${one.persona_id}${one.persona_id === standard ? ", taken when none is asked for" : ""}${one.edited ? ", edited" : ""}`),
      make("span", "why", one.talks ? `${many(one.talks, "talk")}, ${many(one.versions, "version")}, ${when(one.last_talk)}` : "never talked to"),
      worst ? make("span", `note ${worst.level}`, worst.message) : "",
    );
    link.href = `?persona=${encodeURIComponent(one.persona_id)}`;
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      this.open(one.persona_id, true);
    });
    const row = make("li", "", link);
    row.dataset.persona = one.persona_id;
    return row;
  }

  mark() {
    for (const row of byId("wb-people").children) {
      if (row.dataset.persona === this.chosen) row.firstChild.setAttribute("aria-current", "true");
      else row.firstChild?.removeAttribute?.("aria-current");
    }
  }

  async open(id, push) {
    if (id === null || !this.editor.mayLeave()) return;
    this.chosen = id;
    if (push) history.pushState(null, "", `?persona=${encodeURIComponent(id)}`);
    this.mark();
    byId("wb-versions").replaceChildren(make("li", "why", "Reading"));
    byId("wb-scores").replaceChildren(make("p", "why", "Reading"));
    try {
      this.detail = await ask(`/api/personas/${encodeURIComponent(id)}`);
    } catch (error) {
      this.editor.close(error.message);
      byId("wb-versions").replaceChildren();
      byId("wb-scores").replaceChildren();
      return;
    }
    this.editor.edit(this.detail);
    this.showVersions();
    await scores(id);
  }

  async reread() {
    this.detail = await ask(`/api/personas/${encodeURIComponent(this.chosen)}`);
    this.showVersions();
  }

  showVersions() {
    this.blind.offer(this.detail.persona_id, this.detail.versions);
    const rows = this.detail.versions.map((one) => {
      const load = make("button", "", "Load into the editor");
      load.type = "button";
      load.setAttribute("aria-label", `Load version ${one.version.slice(0, 8)} into the editor`);
      load.addEventListener("click", () => this.editor.take(one.text));
      const row = make(
        "li", "",
        make("p", "", make("code", "", one.version.slice(0, 8)), one.current ? " is the one in use" : ""),
        make("p", "why", `${many(one.talks, "talk")}, kept since ${new Date(one.first_seen).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`),
        one.trials ? make("p", "why", `better in ${one.won} of ${many(one.trials, "blind trial")}`) : "",
        one.current ? "" : load,
      );
      row.dataset.version = one.version;
      return row;
    });
    const none = make("li", "why", "None is kept yet: talk to it, or save an edit.");
    byId("wb-versions").replaceChildren(...(rows.length ? rows : [none]));
  }

  fresh() {
    if (!this.editor.mayLeave()) return;
    this.chosen = null;
    this.mark();
    byId("wb-versions").replaceChildren(make("li", "why", "None yet."));
    this.blind.offer(null, []);
    byId("wb-scores").replaceChildren(make("p", "why", "Nobody has talked to it."));
    this.editor.fresh();
  }

  async saved(id) {
    history.replaceState(null, "", `?persona=${encodeURIComponent(id)}`);
    this.chosen = id;
    await this.reread();
    await this.list();
    await scores(id);
  }
}

function fault([file, message]) {
  return make("li", "", make("p", "note error", `${file}: ${message}`));
}

whenBuilt(NEEDED, () => new Page());
