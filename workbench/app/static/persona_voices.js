// Voices that were uploaded, each with its speaker's consent.

import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

export class Voices {
  constructor() {
    byId("wb-upload").addEventListener("submit", (event) => {
      event.preventDefault();
      this.upload();
    });
    this.list();
  }

  async list() {
    let rows;
    try {
      rows = (await ask("/api/voices")).map((voice) => this.row(voice));
    } catch (error) {
      rows = [make("li", "why", error.message)];
    }
    byId("wb-voices").replaceChildren(...(rows.length ? rows : [make("li", "why", "None yet: upload a few seconds of clear speech.")]));
  }

  row(voice) {
    const gone = make("button", "", "Delete");
    gone.type = "button";
    gone.setAttribute("aria-label", `Delete the voice ${voice.name}`);
    gone.addEventListener("click", () => this.remove(voice.name));
    const state = voice.loaded ? "the gateway has it" : "the gateway has it from its next start on";
    const row = make(
      "li", "",
      make("p", "", make("b", "", voice.name), ` · ${voice.speaker}`),
      make("p", "why", `${voice.seconds.toFixed(1)} s, agreed ${new Date(voice.consented_at).toLocaleDateString([], { dateStyle: "medium" })}; ${state}`),
      gone,
    );
    row.dataset.voice = voice.name;
    return row;
  }

  async upload() {
    const [file] = byId("wb-upload-file").files;
    const told = new URLSearchParams({ speaker: byId("wb-upload-speaker").value, consent: String(byId("wb-upload-consent").checked) });
    const button = byId("wb-upload").querySelector("button");
    button.disabled = true;
    this.say("Checking it as the gateway does");
    try {
      const name = byId("wb-upload-name").value.trim();
      const voice = await ask(`/api/voices/${encodeURIComponent(name)}?${told}`, { method: "PUT", body: file });
      byId("wb-upload").reset();
      this.say(`${voice.name} is kept. Write it as voice: into a persona's file.`, "fine");
      await this.list();
    } catch (error) {
      this.say(error.message, "error");
    } finally {
      button.disabled = false;
    }
  }

  async remove(name) {
    if (!window.confirm(`Delete the voice ${name} and the consent for it, for ever?`)) return;
    try {
      await ask(`/api/voices/${encodeURIComponent(name)}`, { method: "DELETE" });
      this.say(`${name} is deleted.`, "fine");
    } catch (error) {
      this.say(error.message, "error");
    }
    await this.list();
  }

  say(text, kind = "") {
    const said = byId("wb-upload-said");
    said.textContent = text;
    said.className = kind && `note ${kind}`;
  }
}
