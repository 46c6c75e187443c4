// What people thought of a session: stars and notes, with who and when.

import { ask } from "./ask.js";
import { make } from "./dom.js";
import { slow, stars, utc } from "./session_parts.js";

const STARS = 5;
const NAME = "wb-rater";

function field(label, input) {
  return make("label", "", label, input);
}

function rating({ rater, rated_at: when, stars: given, note, trial_id: trial, preferred }) {
  const vote = trial !== null && `In a blind trial: ${preferred === null ? "neither was better" : preferred ? "this one was better" : "the other one was better"}`;
  const head = make("p", "", given !== null && make("b", "", `${stars(given)} `), make("span", "who", rater), make("span", "why", utc(when)));
  return make("li", "", head, vote && make("p", "vote", vote), note && make("p", "note", note));
}

export class Ratings {
  constructor(id) {
    this.path = `/api/sessions/${encodeURIComponent(id)}/ratings`;
    const radios = Array.from({ length: STARS }, (_, index) => {
      const radio = make("input");
      Object.assign(radio, { type: "radio", name: "stars", value: String(index + 1) });
      return make("label", "star", radio, `${index + 1} ★`);
    });
    this.rater = Object.assign(make("input"), { type: "text", maxLength: 80, autocomplete: "name", value: localStorage.getItem(NAME) ?? "" });
    this.note = Object.assign(make("textarea"), { rows: 2, maxLength: 2000 });
    this.send = Object.assign(make("button", "main", "Keep it"), { type: "submit" });
    this.said = make("p", "why");
    this.said.setAttribute("role", "status");
    this.form = make(
      "form", "wb-rate",
      make("fieldset", "", make("legend", "", "Stars"), ...radios),
      field("Note", this.note),
      field("Your name", this.rater),
      this.send,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep();
    });
    this.list = make("ol", "wb-ratings");
    this.element = make("section", "", make("h3", "", "Ratings and notes"), this.form, this.said, this.list);
    this.read();
  }

  /** Whether somebody has begun to judge. */
  get begun() {
    return Boolean(this.note.value || this.form.elements.stars.value || this.form.contains(document.activeElement));
  }

  async read() {
    try {
      this.show(await slow(this.list, ask(this.path)));
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  show({ ratings }) {
    this.list.replaceChildren(...ratings.map(rating));
    if (!ratings.length) this.list.replaceChildren(make("li", "wb-none", "Nobody has rated it yet. Give stars, a note, or both."));
  }

  async keep() {
    const given = this.form.elements.stars.value;
    const body = JSON.stringify({ rater: this.rater.value, stars: given ? Number(given) : null, note: this.note.value });
    this.send.disabled = true;
    try {
      this.show(await slow(this.form, ask(this.path, { method: "POST", headers: { "Content-Type": "application/json" }, body })));
      localStorage.setItem(NAME, this.rater.value);
      this.form.reset();
      this.rater.value = localStorage.getItem(NAME);
      this.said.textContent = "Kept.";
    } catch (error) {
      this.said.textContent = error.message;
    } finally {
      this.send.disabled = false;
    }
  }
}
