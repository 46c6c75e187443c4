// A session that goes on, as the Talk page shows its own: the last 30 s, and what is said.

import { make } from "./dom.js";
import { Strip } from "./strip.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";

export class LiveView {
  /** `ended`: called once when the talk is over; `unheard`: when the server has no feed of it (a conversation in text). */
  constructor(id, ended, unheard) {
    this.timeline = new Timeline();
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    const list = make("ol", "wb-transcript");
    list.tabIndex = 0;
    list.setAttribute("role", "log");
    list.setAttribute("aria-label", "Transcript");
    const empty = make("p", "wb-empty", "Nothing was said yet.");
    const lanes = make("div", "wb-lanes", make("span", "", "User"), make("span"), make("span", "", "Persona"));
    lanes.setAttribute("aria-hidden", "true");
    this.element = make("div", "wb-live", make("section", "wb-strip", canvas), make("section", "wb-talk", lanes, list, empty));
    this.strip = new Strip(canvas, this.timeline);
    this.transcript = new Transcript(list, empty);
    this.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/talks/${encodeURIComponent(id)}/live`);
    let told = false;
    this.socket.addEventListener("message", ({ data }) => {
      told = true;
      this.take(JSON.parse(data));
    });
    this.socket.addEventListener("close", () => {
      if (this.left) return;
      if (told) ended();
      else unheard();
    });
  }

  take(message) {
    if (message.type === "talk") {
      this.timeline.begin(message);
      this.transcript.begin();
    }
    this.timeline.strip(message);
    for (const event of message.events) {
      this.timeline.event(event);
      this.transcript.event(event);
      // The feed of a talk that is over stays open and says nothing more.
      if (event.kind === "SessionClosed") this.socket.close();
    }
    this.transcript.tick(this.timeline.nowMs);
    this.strip.draw();
  }

  leave() {
    this.left = true;
    this.socket.close();
  }
}
