// Draws the timeline: your lane above, the persona's below, the tools between them.

import { clock, ms, plain } from "./dom.js";
import { SHOWN_MS } from "./timeline.js";

const AXIS = 18;
const TOOL_LANE = 22;
const BAR = 3;
const COLOURS = ["user", "agent", "overlap", "tool", "toolbad", "barge", "lost", "line", "faint", "ink", "panel"];

export class Strip {
  constructor(canvas, timeline) {
    this.canvas = canvas;
    this.timeline = timeline;
    this.waiting = false;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Draws before the next paint, however often it is asked. */
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const { canvas, timeline } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const style = getComputedStyle(canvas);
    this.colour = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--wb-${name}`).trim()]));
    this.font = `11px ${style.fontFamily}`;
    const g = (this.g = canvas.getContext("2d"));
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = this.font;
    this.width = width;
    const lane = (height - AXIS - TOOL_LANE) / 2;
    this.user = { top: 0, height: lane };
    this.tool = { top: lane, height: TOOL_LANE };
    this.agent = { top: lane + TOOL_LANE, height: lane };
    this.bottom = height - AXIS;
    this.left = Math.max(timeline.nowMs, SHOWN_MS) - SHOWN_MS;
    this.axis();
    for (const { start, stop } of timeline.overlaps()) this.band(start, stop, 0, this.bottom, this.colour.overlap, 0.16);
    this.lane("user", this.user);
    this.lane("agent", this.agent);
    for (const { start, stop } of timeline.forced) this.hatch(start, stop ?? timeline.nowMs);
    for (const { start, stop } of timeline.lost) this.band(start, stop, this.user.top, this.user.height, this.colour.lost, 0.35, 2);
    this.labelled = 0;
    for (const tool of timeline.tools.values()) this.toolSpan(tool);
    for (const mark of timeline.bargeIns) this.bargeIn(mark);
    canvas.setAttribute("aria-label", this.summary());
  }

  x(timeMs) {
    return ((timeMs - this.left) / SHOWN_MS) * this.width;
  }

  axis() {
    const { g } = this;
    g.textBaseline = "alphabetic";
    for (let at = Math.ceil(this.left / 5000) * 5000; at <= this.left + SHOWN_MS; at += 5000) {
      const x = Math.round(this.x(at)) + 0.5;
      g.strokeStyle = this.colour.line;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, 0);
      g.lineTo(x, this.bottom);
      g.stroke();
      g.fillStyle = this.colour.faint;
      g.textAlign = at === this.left ? "left" : x > this.width - 14 ? "right" : "center";
      g.fillText(clock(at), x, this.bottom + 13);
    }
    g.fillStyle = this.colour.panel;
    g.fillRect(0, this.tool.top, this.width, this.tool.height);
    g.textAlign = "left";
  }

  band(start, stop, top, height, colour, alpha, least = 0) {
    const x = Math.max(0, this.x(start));
    const w = Math.max(least, this.x(stop) - x);
    if (w <= 0 || x > this.width) return;
    this.g.globalAlpha = alpha;
    this.g.fillStyle = colour;
    this.g.fillRect(x, top, w, height);
    this.g.globalAlpha = 1;
  }

  lane(stem, { top, height }) {
    const { g, timeline } = this;
    const middle = top + height / 2;
    const binsPerBar = Math.max(1, Math.round((BAR / this.width) * timeline.size));
    const barWidth = (binsPerBar / timeline.size) * this.width;
    g.fillStyle = this.colour[stem];
    const last = Math.floor(timeline.nowMs / timeline.levelMs);
    const first = Math.floor(this.left / timeline.levelMs / binsPerBar) * binsPerBar;
    for (let bin = first; bin < last; bin += binsPerBar) {
      let level = 0;
      for (let i = bin; i < bin + binsPerBar; i++) level = Math.max(level, timeline.level(stem, i));
      const at = bin * timeline.levelMs;
      const spoken = timeline.speech[stem].some(({ start, stop }) => at >= start - 40 && at < (stop ?? Infinity));
      g.globalAlpha = spoken ? 1 : 0.35;
      const half = Math.max(0.5, level * level * (height / 2 - 6));
      g.fillRect(this.x(at), middle - half, Math.max(1, barWidth - 1), half * 2);
    }
    g.globalAlpha = 1;
  }

  /** Words that were given to the persona. */
  hatch(start, stop) {
    const { g } = this;
    const from = Math.max(0, this.x(start));
    const to = this.x(stop);
    if (to <= from) return;
    const { top, height } = this.agent;
    g.save();
    g.beginPath();
    g.rect(from, top + 3, to - from, height - 6);
    g.clip();
    g.strokeStyle = this.colour.agent;
    g.globalAlpha = 0.45;
    g.lineWidth = 1;
    g.beginPath();
    // Fixed to session time, so that the hatching moves with the sound.
    const shift = this.x(0) % 7;
    for (let x = from - height - 7 + ((shift - from) % 7); x < to; x += 7) {
      g.moveTo(x, top + height);
      g.lineTo(x + height, top);
    }
    g.stroke();
    g.restore();
  }

  toolSpan({ name, start, stop, state }) {
    const { g } = this;
    const x = Math.max(0, this.x(start));
    const w = Math.max(4, this.x(stop ?? this.timeline.nowMs) - x);
    if (x > this.width || x + w < 0) return;
    const colour = state === "error" ? this.colour.toolbad : this.colour.tool;
    g.fillStyle = colour;
    g.globalAlpha = state === "pending" ? 0.55 : 1;
    g.beginPath();
    g.roundRect(x, this.tool.top + 4, w, this.tool.height - 8, 3);
    g.fill();
    g.globalAlpha = 1;
    g.fillStyle = this.colour.ink;
    g.textBaseline = "middle";
    const label = `${plain(name)}${state === "error" ? " failed" : ""}`;
    const room = g.measureText(label).width + 8;
    const at = x + w + room > this.width ? Math.max(2, x - room) : x + w + 5;
    // Of calls that lie close together only the first carries its name.
    if (at < this.labelled) return;
    g.fillText(label, at, this.tool.top + this.tool.height / 2 + 0.5);
    this.labelled = at + room;
  }

  bargeIn({ at_ms: at, stop_ms: stop, stop_latency_ms: latency, outcome }) {
    const { g } = this;
    const x = Math.round(this.x(at)) + 0.5;
    if (x < 0) return;
    g.strokeStyle = g.fillStyle = this.colour.barge;
    g.lineWidth = 1.5;
    g.beginPath();
    g.moveTo(x, this.user.top + 4);
    g.lineTo(x, this.bottom);
    g.stroke();
    g.beginPath();
    g.moveTo(x - 5, this.user.top + 2);
    g.lineTo(x + 5, this.user.top + 2);
    g.lineTo(x, this.user.top + 9);
    g.fill();
    if (stop !== null) {
      const y = this.bottom - 4.5;
      g.beginPath();
      g.moveTo(x, y);
      g.lineTo(this.x(stop), y);
      g.lineTo(this.x(stop), y - 5);
      g.stroke();
    }
    const stopped = this.width < 500 ? ms(latency) : `stopped in ${ms(latency)}`;
    const label = outcome === "yielded" ? stopped : outcome === "ignored" ? "talked on" : "";
    g.textBaseline = "middle";
    const room = g.measureText(label).width;
    g.fillText(label, x + 8 + room > this.width ? x - room - 8 : x + 8, this.user.top + 10);
  }

  summary() {
    const { timeline } = this;
    if (!timeline.nowMs) return "No sound yet";
    const seconds = (stem) =>
      timeline.speech[stem].reduce((sum, { start, stop }) => sum + (stop ?? timeline.nowMs) - Math.max(start, this.left), 0) / 1000;
    return `Last 30 seconds: you spoke ${seconds("user").toFixed(0)} s, the persona ${seconds("agent").toFixed(0)} s, ${timeline.bargeIns.length} barge-ins.`;
  }
}
