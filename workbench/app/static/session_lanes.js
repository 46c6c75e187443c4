// Draws one talk: the user above, the persona below, decisions and tools between them, late frames at the foot. Times in ms of session time.

import { clock, ms, plain } from "./dom.js";

const AXIS = 18;
const STRIP = 24;
const FOOT = 9;
const WORDS = 19;
const LEAST_SPAN_MS = 2000;
const STEPS_S = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];
const COLOURS = ["user", "agent", "overlap", "tool", "toolbad", "barge", "lost", "line", "faint", "ink", "panel", "bg"];
const KEYS_MS = { ArrowLeft: -1000, ArrowRight: 1000, PageDown: -10_000, PageUp: 10_000, Home: -Infinity, End: Infinity };

/** Sets a canvas up for one painting; null while it has no size. */
function begin(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const style = getComputedStyle(canvas);
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = `12px ${style.fontFamily}`;
  return { g, width, height, colour: Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--wb-${name}`).trim()])) };
}

export class Lanes extends EventTarget {
  /** Tells `seek` ({detail: ms}), `toggle`, and `under` ({detail: what is under the pointer}). */
  constructor(canvas, overview) {
    super();
    this.canvas = canvas;
    this.overview = overview;
    this.cursor = 0;
    this.hits = [];
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(canvas);
    this.resized.observe(overview);
    this.going = new AbortController();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal: this.going.signal });
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.addEventListener("click", (event) => this.tell("seek", this.hit(event)?.at ?? this.time(event.offsetX)));
    canvas.addEventListener("pointermove", (event) => this.tell("under", this.hit(event)?.label ?? ""));
    canvas.addEventListener("pointerleave", () => this.tell("under", ""));
    canvas.addEventListener("keydown", (event) => this.key(event));
    overview.addEventListener("click", ({ offsetX }) => this.tell("seek", (offsetX / overview.clientWidth) * this.lengthMs));
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Lets go of what outlives the canvas. */
  leave() {
    this.resized.disconnect();
    this.going.abort();
  }

  /** A talk; `shownMs` is how much time the width stands for at first. */
  set(replay, detail, shownMs = replay.length_ms) {
    this.replay = replay;
    this.detail = detail;
    this.lengthMs = Math.max(replay.length_ms, 1000);
    this.canvas.setAttribute("aria-label", `Timeline of the talk, ${clock(this.lengthMs)} long: arrow keys move, space plays`);
    this.canvas.setAttribute("aria-valuemin", "0");
    this.canvas.setAttribute("aria-valuemax", String(Math.round(this.lengthMs / 1000)));
    this.look(0, shownMs);
  }

  /** Looks at `span` ms from `left` on. */
  look(left, span) {
    this.span = Math.max(span, LEAST_SPAN_MS);
    this.left = Math.max(0, Math.min(left, this.lengthMs - this.span));
    this.overview.hidden = this.span >= this.lengthMs;
    this.draw();
  }

  zoom(factor) {
    const span = Math.max(LEAST_SPAN_MS, Math.min(this.span * factor, this.lengthMs));
    this.look(this.cursor - span / 2, span);
  }

  move(atMs) {
    this.cursor = atMs;
    this.canvas.setAttribute("aria-valuenow", String(Math.round(atMs / 1000)));
    this.canvas.setAttribute("aria-valuetext", clock(atMs));
    if (atMs < this.left || atMs > this.left + this.span * 0.95) this.look(atMs - this.span * 0.1, this.span);
    else this.draw();
  }

  key(event) {
    const step = KEYS_MS[event.key];
    if (step !== undefined) this.tell("seek", Math.max(0, Math.min(this.cursor + step, this.lengthMs)));
    else if (event.key === " " || event.key === "Enter") this.tell("toggle");
    else if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 0.5 : 2);
    else return;
    event.preventDefault();
  }

  /** The smallest thing at a place of the canvas. */
  hit({ offsetX: x, offsetY: y }) {
    const under = this.hits.filter((one) => x >= one.x - 3 && x <= one.x + one.w + 3 && y >= one.y && y <= one.y + one.h);
    return under.sort((first, second) => first.w - second.w)[0];
  }

  x(atMs) {
    return ((atMs - this.left) / this.span) * this.width;
  }

  time(x) {
    return Math.max(0, Math.min(this.left + (x / this.width) * this.span, this.lengthMs));
  }

  /** Draws before the next paint, however often it is asked. */
  draw() {
    if (this.waiting || !this.replay) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
      if (!this.overview.hidden) this.paintWhole();
    });
  }

  paint() {
    const surface = begin(this.canvas);
    if (!surface) return;
    Object.assign(this, surface);
    const { g, height, replay, detail } = this;
    this.hits = [];
    this.bottom = height - AXIS;
    const lane = (this.bottom - STRIP - FOOT) / 2;
    const bar = lane - WORDS - 4;
    this.user = { top: WORDS + 4, height: bar, words: 4 };
    this.strip = { top: lane, height: STRIP };
    this.agent = { top: lane + STRIP, height: bar, words: lane + STRIP + bar + 3 };
    this.axis();
    for (const span of replay.overlaps) this.box(span, 0, this.bottom - FOOT, this.colour.overlap, 0.16, `both speak, ${ms(span.end_ms - span.start_ms)}`);
    for (const speaker of ["user", "agent"])
      for (const span of replay[speaker]) this.box(span, this[speaker].top, bar, this.colour[speaker], 0.85, "");
    for (const span of replay.forced) this.hatch(span);
    for (const span of replay.lost) this.box(span, this.user.top, bar, this.colour.lost, 0.5, `lost: ${ms(span.end_ms - span.start_ms)} of the user that nobody heard`);
    for (const speaker of ["user", "agent"]) this.words(speaker);
    g.fillStyle = this.colour.bg;
    g.fillRect(0, this.strip.top, this.width, STRIP);
    this.labelled = { tool: 0, barge: 0 };
    for (const tool of detail.tool_invocations) this.tool(tool);
    for (const decision of detail.decisions) this.decision(decision);
    for (const bargeIn of detail.barge_ins) this.bargeIn(bargeIn);
    for (const frame of replay.late_frames ?? [])
      this.box({ start_ms: frame.at_ms, end_ms: frame.at_ms }, this.bottom - FOOT, FOOT - 2, this.colour.lost, 1, `frame ${ms(frame.late_ms)} late`);
    g.fillStyle = this.colour.ink;
    g.fillRect(Math.round(this.x(this.cursor)) - 1, 0, 2, this.bottom);
  }

  axis() {
    const { g } = this;
    const step = (STEPS_S.find((seconds) => ((seconds * 1000) / this.span) * this.width >= 64) ?? 3600) * 1000;
    g.textBaseline = "alphabetic";
    for (let at = Math.ceil(this.left / step) * step; at <= Math.min(this.left + this.span, this.lengthMs); at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      g.fillStyle = this.colour.line;
      g.fillRect(x, 0, 1, this.bottom);
      g.fillStyle = this.colour.faint;
      g.textAlign = x < 14 ? "left" : x > this.width - 16 ? "right" : "center";
      g.fillText(step < 1000 ? `${(at / 1000).toFixed(1)} s` : clock(at), x, this.bottom + 13);
    }
    g.textAlign = "left";
  }

  seen({ start_ms: start, end_ms: end }) {
    return end >= this.left && start <= this.left + this.span;
  }

  /** A stretch of time as a rectangle; with a label it can be pointed at. */
  box(span, top, height, colour, alpha, label, at = span.start_ms) {
    if (!this.seen(span)) return;
    const x = this.x(span.start_ms);
    const w = Math.max(2, this.x(span.end_ms) - x);
    this.g.globalAlpha = alpha;
    this.g.fillStyle = colour;
    this.g.fillRect(x, top, w, height);
    this.g.globalAlpha = 1;
    if (label) this.hits.push({ x, w, y: top, h: height, at, label });
  }

  /** Words that were given to the persona. */
  hatch(span) {
    if (!this.seen(span)) return;
    const { g } = this;
    const { top, height } = this.agent;
    const x = this.x(span.start_ms);
    const w = Math.max(3, this.x(span.end_ms) - x);
    g.save();
    g.beginPath();
    g.rect(x, top, w, height);
    g.clip();
    g.strokeStyle = this.colour.panel;
    g.lineWidth = 2;
    g.beginPath();
    for (let at = x - height; at < x + w; at += 7) {
      g.moveTo(at, top + height);
      g.lineTo(at + height, top);
    }
    g.stroke();
    g.restore();
    this.hits.push({ x, w, y: top, h: height, at: span.start_ms, label: `words given to the persona, ${ms(span.end_ms - span.start_ms)}` });
  }

  words(speaker) {
    const { g } = this;
    const own = this.replay.phrases.filter((phrase) => phrase.speaker === speaker);
    const top = this[speaker].words;
    g.textBaseline = "top";
    g.fillStyle = this.colour.ink;
    own.forEach((phrase, number) => {
      const from = Math.max(this.x(phrase.start_ms), 2);
      const to = Math.min(number + 1 < own.length ? this.x(own[number + 1].start_ms) - 8 : this.width, this.width);
      if (!this.seen({ start_ms: phrase.start_ms, end_ms: this.left + this.span }) || to - from < 22) return;
      const width = g.measureText(phrase.text).width;
      const text = width <= to - from ? phrase.text : `${phrase.text.slice(0, Math.max(1, Math.floor((phrase.text.length * (to - from)) / width) - 2))}…`;
      g.fillText(text, from, top);
      const label = `${speaker === "user" ? "user" : phrase.forced ? "persona, given words" : "persona"}: ${phrase.text}`;
      this.hits.push({ x: from, w: Math.min(width, to - from), y: top - 2, h: WORDS, at: phrase.start_ms, label });
    });
  }

  decision({ start_ms: at, act, reason, text }) {
    if (!this.seen({ start_ms: at, end_ms: at })) return;
    const { g } = this;
    const [x, y] = [this.x(at), this.strip.top + STRIP / 2];
    g.fillStyle = act === "leave" || act === "ignore" ? this.colour.faint : this.colour.tool;
    g.beginPath();
    g.moveTo(x, y - 5);
    g.lineTo(x + 5, y);
    g.lineTo(x, y + 5);
    g.lineTo(x - 5, y);
    g.fill();
    this.hits.push({ x: x - 5, w: 10, y: y - 8, h: 16, at, label: `decided: ${plain(act)}, because ${reason} (“${text}”)` });
  }

  tool({ action, status, start_ms: start, end_ms: end, latency_ms: latency, spoken, error }) {
    const from = start ?? 0;
    const span = { start_ms: from, end_ms: end ?? (start === null ? 0 : this.lengthMs) };
    if (!this.seen(span)) return;
    const { g } = this;
    const failed = status === "error" || status === "timeout";
    const top = this.strip.top + 5;
    const result = error || spoken;
    this.box(span, top, STRIP - 10, failed ? this.colour.toolbad : this.colour.tool, 0.9, `${plain(action)}: ${plain(status)} after ${ms(latency)}${result ? `: ${result}` : ""}`);
    const label = `${plain(action)}${status === "success" ? "" : `, ${plain(status)}`}`;
    const x = Math.max(this.x(span.end_ms) + 6, 2);
    // Of calls that lie close together only the first carries its name.
    if (x < this.labelled.tool || x > this.width) return;
    g.fillStyle = this.colour.ink;
    g.textBaseline = "middle";
    g.fillText(label, x, this.strip.top + STRIP / 2);
    this.labelled.tool = x + g.measureText(label).width + 8;
  }

  bargeIn({ start_ms: at, stop_ms: stop, stop_latency_ms: latency, outcome }) {
    const span = { start_ms: at, end_ms: stop ?? at };
    if (!this.seen(span)) return;
    const { g } = this;
    const x = Math.round(this.x(at));
    const label = outcome === "yielded" && latency !== null ? ms(latency) : outcome === "ignored" ? "talked on" : "";
    const told = `user breaks in: ${{ yielded: `stopped in ${ms(latency)}`, ignored: "the persona talked on", censored: "nobody can tell who yielded" }[outcome] ?? outcome}`;
    g.fillStyle = this.colour.barge;
    g.fillRect(x - 1, this.user.top, 2, this.agent.top + this.agent.height - this.user.top);
    if (stop !== null) g.fillRect(x, this.agent.top + this.agent.height - 3, this.x(stop) - x, 3);
    this.hits.push({ x: x - 3, w: Math.max(6, this.x(span.end_ms) - x), y: this.user.top, h: this.agent.top + this.agent.height - this.user.top, at, label: told });
    const width = g.measureText(label).width + 8;
    const left = x + width > this.width ? x - width - 2 : x + 1;
    if (!label || left < this.labelled.barge) return;
    this.labelled.barge = left + width;
    g.textBaseline = "middle";
    const top = this.user.top + 2;
    g.fillRect(left, top, width, 17);
    g.fillStyle = this.colour.bg;
    g.fillText(label, left + 4, top + 9);
  }

  /** The whole talk in small, with what is looked at. */
  paintWhole() {
    const surface = begin(this.overview);
    if (!surface) return;
    const { g, width, height, colour } = surface;
    const x = (atMs) => (atMs / this.lengthMs) * width;
    const half = height / 2;
    g.fillStyle = colour.line;
    g.fillRect(x(this.left), 0, Math.max(3, x(this.span)), height);
    for (const [speaker, top] of [["user", 3], ["agent", half + 1]]) {
      g.fillStyle = colour[speaker];
      for (const { start_ms: start, end_ms: end } of this.replay[speaker]) g.fillRect(x(start), top, Math.max(1, x(end - start)), half - 4);
    }
    g.fillStyle = colour.barge;
    for (const { start_ms: at } of this.detail.barge_ins) g.fillRect(x(at), 0, 1.5, height);
    g.fillStyle = colour.ink;
    g.fillRect(x(this.cursor) - 1, 0, 2, height);
  }
}
