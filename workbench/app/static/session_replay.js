// One talk that can be played: its sound, its timeline, and a cursor that both share.

import { clock, make } from "./dom.js";
import { Lanes } from "./session_lanes.js";
import { button } from "./session_parts.js";

const SHOWN_MS = 60_000;
const LEGEND = [
  ["k-user", "user"], ["k-agent", "persona"], ["k-forced", "words given to it"], ["k-both", "both at once"], ["k-decision", "decision"],
  ["k-tool", "tool"], ["k-barge", "user breaks in"], ["k-lost", "late frame, lost sound"],
];

/** The words at a moment, for the line under the timeline. */
function at(phrases, nowMs) {
  const begun = phrases.filter((phrase) => phrase.start_ms <= nowMs);
  return begun.length ? `${begun.at(-1).speaker === "user" ? "user" : "persona"}: ${begun.at(-1).text}` : "";
}

export class Replayer extends EventTarget {
  /** `shownMs`: time that the width stands for; two timelines side by side have the same. Tells `time` ({detail: ms}). */
  constructor(detail, replay, { shownMs, legend = true } = {}) {
    super();
    this.replay = replay;
    const canvas = make("canvas", "lanes");
    const overview = make("canvas", "overview");
    overview.setAttribute("aria-hidden", "true");
    this.under = make("p", "under");
    this.place = make("output", "place", `0:00 of ${clock(replay.length_ms)}`);
    this.lanes = new Lanes(canvas, overview);
    const bar = make(
      "div", "wb-play-bar",
      this.sound(detail),
      // A player tells the time itself.
      !this.audio && this.place,
      make("span", "zoom", button("Closer", () => this.lanes.zoom(0.5)), button("Wider", () => this.lanes.zoom(2)), button("Whole talk", () => this.lanes.look(0, this.lanes.lengthMs))),
    );
    const keys = make("ul", "wb-legend", ...LEGEND.map(([name, text]) => make("li", name, text)));
    keys.setAttribute("aria-hidden", "true");
    this.element = make("div", "wb-replay", bar, canvas, this.under, overview, legend && keys);
    this.lanes.addEventListener("seek", ({ detail: atMs }) => this.play(atMs));
    this.lanes.addEventListener("toggle", () => this.toggle());
    this.lanes.addEventListener("under", ({ detail: label }) => {
      this.pointed = label;
      this.tell();
    });
    this.lanes.set(replay, detail, shownMs ?? Math.min(replay.length_ms, SHOWN_MS));
    this.nowMs = 0;
    this.tell();
  }

  /** The player, or why there is none. */
  sound(detail) {
    this.audio = null;
    if (!detail.audio && detail.recording) return make("p", "why", "The recording is still being joined, or was lost: the cursor moves, nothing sounds.");
    if (!detail.audio) return make("p", "why", "This talk was not recorded: the cursor moves, nothing sounds.");
    const audio = (this.audio = make("audio"));
    audio.controls = true;
    audio.preload = "metadata";
    audio.src = `/api/sessions/${encodeURIComponent(detail.session_id)}/audio`;
    audio.setAttribute("aria-label", "Recording: the user on the left, the persona on the right");
    audio.addEventListener("timeupdate", () => this.moved(audio.currentTime * 1000));
    audio.addEventListener("play", () => this.follow());
    audio.addEventListener("error", () => {
      audio.replaceWith(make("p", "why", "The recording cannot be played: its file is gone, or this browser knows no FLAC."));
      this.audio = null;
    });
    return audio;
  }

  follow() {
    if (!this.audio || this.audio.paused) return;
    this.moved(this.audio.currentTime * 1000);
    requestAnimationFrame(() => this.follow());
  }

  moved(nowMs) {
    this.nowMs = nowMs;
    this.lanes.move(nowMs);
    this.place.textContent = `${clock(nowMs)} of ${clock(this.replay.length_ms)}`;
    this.tell();
    this.dispatchEvent(new CustomEvent("time", { detail: nowMs }));
  }

  /** Something that is shown until the cursor moves. */
  say(text) {
    this.under.textContent = text;
  }

  tell() {
    const told = this.pointed || at(this.replay.phrases, this.nowMs);
    if (this.under.textContent !== told) this.under.textContent = told;
  }

  /** Plays from a moment; without sound the cursor goes there. */
  play(atMs) {
    this.seek(atMs);
    this.audio?.play().catch((error) => {
      // The next click takes over from one that is not done yet.
      if (error.name !== "AbortError") this.say(`It does not play by itself (${error.message}). Press play on the player.`);
    });
  }

  seek(atMs) {
    if (this.audio) this.audio.currentTime = atMs / 1000;
    this.moved(atMs);
  }

  get playing() {
    return this.audio !== null && !this.audio.paused;
  }

  toggle() {
    if (!this.audio) return;
    if (this.audio.paused) this.play(this.nowMs);
    else this.audio.pause();
  }

  pause() {
    this.audio?.pause();
  }

  leave() {
    this.pause();
    this.lanes.leave();
  }
}
