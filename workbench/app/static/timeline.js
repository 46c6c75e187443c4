// The last 30 s as data: levels of both stems and what lies on top of them. Times in ms of session time.

export const SHOWN_MS = 30_000;

export class Timeline {
  constructor() {
    this.begin({ level_ms: 20, levels_per_frame: 4, floor_db: -60, frame_ms: 80 });
  }

  /** A new talk. `shape` says how levels are told. */
  begin(shape) {
    this.levelMs = shape.level_ms;
    this.perFrame = shape.levels_per_frame;
    this.frameMs = shape.frame_ms;
    this.floorDb = shape.floor_db;
    this.size = SHOWN_MS / this.levelMs;
    this.levels = { user: new Float32Array(this.size), agent: new Float32Array(this.size) };
    this.bin = new Int32Array(this.size).fill(-1);
    this.nowMs = 0;
    this.speech = { user: [], agent: [] };
    this.forced = [];
    this.tools = new Map();
    this.bargeIns = [];
    this.lost = [];
  }

  /** Levels in dB from `frame` on, a run for each stem. */
  strip({ frame, user, agent }) {
    if (frame === null) return;
    for (let i = 0; i < user.length; i++) {
      const bin = frame * this.perFrame + i;
      const place = bin % this.size;
      this.bin[place] = bin;
      this.levels.user[place] = this.height(user[i]);
      this.levels.agent[place] = this.height(agent[i]);
    }
    this.nowMs = Math.max(this.nowMs, (frame + user.length / this.perFrame) * this.frameMs);
    this.prune();
  }

  /** dB to 0..1. */
  height(db) {
    return Math.max(0, (db - this.floorDb) / -this.floorDb);
  }

  level(stem, bin) {
    const place = bin % this.size;
    return this.bin[place] === bin ? this.levels[stem][place] : 0;
  }

  event(event) {
    this.nowMs = Math.max(this.nowMs, event.noticed_ms);
    switch (event.kind) {
      case "UserSpeech":
        this.edge("user", event);
        break;
      case "AgentSpeech":
        this.edge("agent", event);
        if (event.edge === "stop") this.endForced(event.at_ms);
        break;
      case "AgentText":
        if (event.forced) {
          if (!this.openForced()) this.forced.push({ start: event.at_ms, stop: null });
        } else this.endForced(event.at_ms);
        break;
      case "ToolStarted":
        this.tools.set(event.invocation_id, { name: event.tool, start: event.at_ms, stop: null, state: "pending" });
        break;
      case "ToolFinished":
        this.endTool(event, "ok");
        break;
      case "ToolFailed":
        this.endTool(event, "error");
        break;
      case "ToolCancelled":
        this.endTool(event, "cancelled");
        break;
      case "BargeIn":
        this.bargeIns.push(event);
        break;
      case "AudioLost":
        this.lost.push({ start: event.at_ms, stop: event.at_ms + event.ms });
        break;
      case "SessionClosed":
        for (const stretch of [...this.speech.user, ...this.speech.agent, ...this.forced, ...this.tools.values()])
          stretch.stop ??= event.at_ms;
        break;
    }
  }

  edge(stem, { edge, at_ms: at }) {
    const open = this.speech[stem].at(-1);
    if (edge === "start") this.speech[stem].push({ start: at, stop: null });
    else if (open?.stop === null) open.stop = at;
  }

  openForced() {
    return this.forced.at(-1)?.stop === null;
  }

  endForced(at) {
    if (this.openForced()) this.forced.at(-1).stop = at;
  }

  endTool({ invocation_id: id, at_ms: at }, state) {
    const tool = this.tools.get(id);
    if (tool) Object.assign(tool, { stop: at, state });
  }

  speaking(stem) {
    return this.speech[stem].at(-1)?.stop === null;
  }

  /** Stretches in which both spoke. */
  overlaps() {
    const found = [];
    for (const user of this.speech.user)
      for (const agent of this.speech.agent) {
        const start = Math.max(user.start, agent.start);
        const stop = Math.min(user.stop ?? this.nowMs, agent.stop ?? this.nowMs);
        if (stop > start) found.push({ start, stop });
      }
    return found;
  }

  prune() {
    const oldest = this.nowMs - SHOWN_MS - 1000;
    const seen = ({ stop }) => (stop ?? Infinity) > oldest;
    this.speech.user = this.speech.user.filter(seen);
    this.speech.agent = this.speech.agent.filter(seen);
    this.forced = this.forced.filter(seen);
    this.lost = this.lost.filter(seen);
    this.bargeIns = this.bargeIns.filter((mark) => mark.at_ms > oldest);
    for (const [id, tool] of this.tools) if (!seen(tool)) this.tools.delete(id);
  }
}
