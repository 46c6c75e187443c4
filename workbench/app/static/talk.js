// The Talk page: one link to the server, one call, and what they say drawn in three places.

import { banner, clearBanner, says } from "./banners.js";
import { Call } from "./call.js";
import { byId, clock, whenBuilt } from "./dom.js";
import { Link } from "./link.js";
import { showLights, showMeasures, showParts } from "./side.js";
import { Strip } from "./strip.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";

const NEEDED = ["wb-start", "wb-strip", "wb-transcript", "wb-lights", "wb-parts", "wb-microphone"];
const ENDED = {
  time_limit: ["info", "The talk reached its time limit.", "Start again, or raise WORKBENCH_MAX_SESSION_S on the server."],
  client_lost: ["warning", "The server heard nothing from this page any more.", "Check the network and the microphone, then start again."],
  engine_failed: ["error", "The engine failed and no other could take over.", "Look at the engines on the left, choose one that is ready, and start again."],
  server_stopped: ["warning", "The server was stopped.", "Start it again; everything up to now is kept."],
  ended_by_api: ["info", "The talk was ended over the API.", ""],
  failed: ["error", "The talk failed.", "The server's log says more; start again."],
};

class Page {
  constructor() {
    const { visitor, calls } = window.workbench;
    this.live = false;
    this.timeline = new Timeline();
    this.strip = new Strip(byId("wb-strip"), this.timeline);
    this.transcript = new Transcript(byId("wb-transcript"), byId("wb-empty"));
    this.link = new Link(visitor);
    this.call = new Call(calls);
    showMeasures(null);
    for (const name of ["up", "down", "lights", "refused", "talk", "update"]) this.link.addEventListener(name, ({ detail }) => this[name](detail));
    this.call.addEventListener("change", () => this.show());
    this.call.addEventListener("toast", ({ detail }) => {
      // The end of a talk is told by its own event, with its reason.
      setTimeout(() => says(detail) || this.live || banner("server", "warning", detail), 500);
    });
    byId("wb-type").addEventListener("submit", (event) => this.type(event));
    byId("wb-start").addEventListener("click", () => this.written && this.link.send({ type: "hang_up" }));
    calls.addEventListener("chosen", ({ detail }) => this.chosen(detail));
    this.show();
  }

  up() {
    this.connected = true;
    clearBanner("gone");
    this.show();
  }

  down() {
    this.connected = false;
    banner("gone", "error", "The server does not answer.", "Is `workbench serve` still running? The page tries again by itself.");
    this.show();
  }

  lights(message) {
    showLights(message);
  }

  refused({ code, message, position }) {
    const place = position === null ? "" : ` You are number ${position} in the queue.`;
    const repair = code === "busy" ? `Wait until a talk has ended, or choose another engine.${place}` : "";
    this.call.fail("refused", message, repair);
  }

  talk(message) {
    this.live = true;
    this.recording = null;
    this.timeline.begin(message);
    this.transcript.begin();
    for (const event of message.events) this.event(event);
    this.update({ ...message, events: [] });
  }

  update({ events, measures, ...strip }) {
    this.timeline.strip(strip);
    for (const event of events) this.event(event);
    if (measures) showMeasures(measures);
    this.strip.draw();
    this.show();
  }

  event(event) {
    this.timeline.event(event);
    this.transcript.event(event);
    switch (event.kind) {
      case "SessionOpened":
        this.recording = event.recording;
        byId("wb-agent-name").textContent = event.persona;
        break;
      case "EngineChosen":
        showParts(event.parts);
        break;
      case "Notice":
        if (event.level === "error") banner(event.code, "error", event.message, event.repair);
        break;
      case "SessionClosed":
        this.closed(event);
        break;
    }
  }

  closed({ reason, detail }) {
    this.live = false;
    this.call.end();
    const told = ENDED[reason];
    if (told) banner("ended", told[0], told[1], [detail, told[2]].filter(Boolean).join(" "));
  }

  type(event) {
    event.preventDefault();
    const field = byId("wb-text");
    const text = field.value.trim();
    if (!text) return;
    // Without a call the talk is a written one: the persona's answers are read.
    const message = this.live ? { type: "type", text } : { type: "begin", text, ...window.workbench.choices };
    if (this.link.send(message)) field.value = "";
  }

  chosen({ engine, ...others }) {
    if (!this.live) return;
    if (engine !== undefined) this.link.send({ type: "switch_engine", engine });
    else byId("wb-hint").textContent = `The ${Object.keys(others)[0]} changes with the next talk.`;
  }

  /** A talk without a call: nothing is heard, everything is read. */
  get written() {
    return this.live && this.call.state === "idle";
  }

  show() {
    const { user, agent } = { user: this.timeline.speaking("user"), agent: this.timeline.speaking("agent") };
    const talking = user && agent ? "Both speak" : agent ? "The persona speaks" : user ? "You speak" : "Listening";
    const quiet = { idle: "Ready", asking: "Waiting for the microphone", connecting: "Connecting", talking: "Listening", ending: "Hanging up" };
    const state = !this.connected ? "No server" : this.live ? talking : quiet[this.call.state];
    const shown = byId("wb-state");
    if (shown.textContent !== state) shown.textContent = state;
    document.body.dataset.wb = !this.connected ? "down" : this.live ? (agent ? "agent" : user ? "user" : "live") : "idle";
    byId("wb-clock").textContent = clock(this.timeline.nowMs);
    this.transcript.tick(this.timeline.nowMs);
    const recorded = { true: "recorded", false: "not recorded" }[this.live ? this.recording : null] ?? "";
    byId("wb-recorded").textContent = recorded;
    byId("wb-recorded").dataset.on = String(recorded === "recorded");
    const busy = this.call.state === "asking" || this.call.state === "connecting";
    for (const control of byId("wb-type").elements) control.disabled = !this.connected || busy;
    this.call.label(this.written);
  }
}

whenBuilt(NEEDED, () => new Page());
