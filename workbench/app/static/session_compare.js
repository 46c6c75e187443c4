// Two sessions side by side, on one scale of time.

import { make } from "./dom.js";
import { happened } from "./session_happened.js";
import { compared } from "./session_numbers.js";
import { link, slow, toSession, utc } from "./session_parts.js";
import { Replayer } from "./session_replay.js";
import { heading, stored } from "./session_view.js";

export class Comparison {
  constructor(element) {
    this.element = element;
    this.replayers = [];
  }

  async show(ids) {
    this.leave();
    const key = (this.key = ids.join());
    this.element.replaceChildren(make("p", "wb-waiting", "Reading both sessions"));
    try {
      if (ids.length !== 2) throw new Error("Two sessions can be compared. Choose two in the table.");
      const both = await slow(this.element, Promise.all(ids.map(stored)));
      if (key === this.key) this.draw(both);
    } catch (error) {
      if (key === this.key) this.element.replaceChildren(link("back", "All sessions"), make("p", "wb-none", error.message));
    }
  }

  draw(both) {
    const shownMs = Math.max(...both.map(([, replay]) => replay.length_ms));
    this.replayers = both.map(([detail, replay]) => new Replayer(detail, replay, { shownMs, legend: false }));
    this.replayers.forEach((replayer, number) => {
      // One is heard at a time.
      replayer.audio?.addEventListener("play", () => this.replayers[1 - number].pause());
    });
    const heads = both.map(([detail], number) =>
      make("header", "", make("h3", "", `${number ? "Second" : "First"}: `, link(toSession(detail.session_id), heading(detail))), make("p", "why", `${utc(detail.started_at)} UTC`)),
    );
    const side = (number) => make("section", "side", heads[number], this.replayers[number].element);
    this.element.replaceChildren(
      link("back", "All sessions"),
      make("h2", "", "Two sessions"),
      make("div", "wb-two", side(0), side(1)),
      make("section", "", make("h3", "", "In figures"), compared(...both)),
      make("div", "wb-two", ...both.map(([detail], number) => make("section", "side", make("h3", "", number ? "Second" : "First"), happened(detail, this.replayers[number])))),
    );
  }

  leave() {
    this.key = null;
    for (const replayer of this.replayers) replayer.leave();
    this.replayers = [];
  }
}
