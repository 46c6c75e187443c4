// One persona's file, checked by the server while it is typed.

import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

const CHECK_AFTER_MS = 250;
const NEW = "---\nname: New Persona\nvoice: NATF2\nrole: assistant\ntools: []\nsampling: {}\n---\nYou are a wise and friendly teacher. Your name is New Persona.\n";
const SAMPLE = "Hello, this is how I sound.";

const send = (method, body) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export class Editor {
  /** `saved` is called with the id after every save. */
  constructor(saved) {
    this.saved = saved;
    this.id = null;
    this.version = null;
    this.text = byId("wb-edit-text");
    this.before = "";
    this.asked = 0;
    this.text.addEventListener("input", () => this.later());
    byId("wb-edit-id").addEventListener("input", () => this.later());
    byId("wb-edit").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    byId("wb-hear").addEventListener("click", () => this.hear());
    window.addEventListener("beforeunload", (event) => this.changed && event.preventDefault());
  }

  get changed() {
    return !this.text.disabled && this.text.value !== this.before;
  }

  /** False when there are unsaved changes that shall be kept. */
  mayLeave() {
    return !this.changed || window.confirm("Leave the changes that are not saved?");
  }

  edit({ persona_id, version, text }) {
    this.show(persona_id, version, text, persona_id);
    byId("wb-talk").href = `/?persona=${encodeURIComponent(persona_id)}`;
    this.check();
  }

  fresh() {
    this.show(null, null, NEW, "A new persona");
    byId("wb-edit-id").value = "";
    byId("wb-edit-id").focus();
    this.check();
  }

  show(id, version, text, title) {
    [this.id, this.version, this.before] = [id, version, text];
    this.text.value = text;
    this.text.disabled = false;
    byId("wb-edit-title").textContent = title;
    byId("wb-edit-new").hidden = id !== null;
    for (const part of ["wb-talk", "wb-hear"]) byId(part).hidden = id === null;
    byId("wb-voice").hidden = true;
    this.say("");
  }

  close(reason) {
    this.show(null, null, "", "Choose a persona");
    byId("wb-edit-new").hidden = true;
    this.text.disabled = true;
    byId("wb-save").disabled = true;
    byId("wb-edit-notes").replaceChildren();
    byId("wb-edit-count").textContent = "";
    this.say(reason, "error");
  }

  /** Another version's text, not saved yet. */
  take(text) {
    this.text.value = text;
    this.text.focus();
    this.check();
  }

  later() {
    clearTimeout(this.timer);
    byId("wb-save").disabled = true;
    this.timer = setTimeout(() => this.check(), CHECK_AFTER_MS);
  }

  get name() {
    return this.id ?? byId("wb-edit-id").value.trim();
  }

  async check() {
    const number = ++this.asked;
    const notes = byId("wb-edit-notes");
    if (!this.name) {
      notes.replaceChildren(note({ level: "error", message: "Give it an id: lower-case letters, digits and hyphens." }));
      byId("wb-save").disabled = true;
      return;
    }
    let told;
    try {
      told = await ask(`/api/personas/${encodeURIComponent(this.name)}/check`, send("POST", { text: this.text.value }));
    } catch (error) {
      told = { error: error.message, notes: [], diff: "", prompt_chars: null };
    }
    if (number !== this.asked) return;
    const found = told.error === null ? told.notes : [{ level: "error", message: told.error }];
    notes.replaceChildren(...(found.length ? found.map(note) : [make("li", "note fine", "Nothing to mend.")]));
    byId("wb-edit-count").textContent = told.error === null ? this.count(told) : "";
    byId("wb-save").disabled = told.error !== null || !(this.changed || this.id === null);
    byId("wb-diff-box").hidden = !told.diff;
    byId("wb-diff").replaceChildren(...told.diff.split("\n").map(line));
  }

  count({ prompt_chars, tokens, ready }) {
    const counted = tokens === null ? "" : `, ${tokens.toLocaleString("en")} tokens`;
    return `The prompt has ${prompt_chars.toLocaleString("en")} characters${counted}. ${ready}`;
  }

  async save() {
    const button = byId("wb-save");
    if (button.disabled) return;
    const name = this.name;
    button.disabled = true;
    button.textContent = "Saving";
    try {
      const told = await ask(`/api/personas/${encodeURIComponent(name)}`, send("PUT", { text: this.text.value, expected: this.version }));
      this.edit({ persona_id: name, version: told.version, text: this.text.value });
      this.say(`Saved as version ${told.version.slice(0, 8)}. The next talk is with it.`, "fine");
      await this.saved(name);
    } catch (error) {
      this.say(error.message, "error");
      button.disabled = false;
    } finally {
      button.textContent = "Save as a version";
    }
  }

  async hear() {
    const button = byId("wb-hear");
    button.disabled = true;
    try {
      const answer = await fetch(`/api/personas/${encodeURIComponent(this.id)}/voice`, send("POST", { text: SAMPLE }));
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
      const player = byId("wb-voice");
      player.src = URL.createObjectURL(await answer.blob());
      player.hidden = false;
      this.say(answer.headers.get("X-Voice") ?? "", "fine");
      await player.play();
    } catch (error) {
      this.say(error.message, "error");
    } finally {
      button.disabled = false;
    }
  }

  say(text, kind = "") {
    const said = byId("wb-edit-said");
    said.textContent = text;
    said.className = kind && `note ${kind}`;
  }
}

function note({ level, message }) {
  return make("li", `note ${level}`, message);
}

function line(text) {
  const kind = { "+": "more", "-": "less", "@": "why" }[text[0]] ?? "";
  return make("span", kind, `${text}\n`);
}
