// What was said, in two lanes: you on the left, the persona on the right, tools and marks where they happened.

import { clock, make, ms, plain } from "./dom.js";

const MAX_ROWS = 400;
const NEW_BUBBLE_MS = 2_500;
const NEAR_BOTTOM_PX = 60;

const TOOL_STATES = {
  waiting: ["?", "waits for your word"],
  pending: ["…", "running"],
  ok: ["✓", "done"],
  error: ["✕", "failed"],
  refused: ["–", "not done"],
  cancelled: ["–", "cancelled"],
};

export class Transcript {
  constructor(list, empty) {
    this.list = list;
    this.empty = empty;
    this.begin();
  }

  /** A new talk. */
  begin() {
    this.list.replaceChildren();
    this.utterances = new Map();
    this.tools = new Map();
    this.deadlines = new Map();
    this.agent = null;
    this.empty.hidden = false;
  }

  /** The talk is at `nowMs`: an action that waits for a word says how long it still does. */
  tick(nowMs) {
    for (const [id, deadline] of this.deadlines) {
      const left = Math.max(0, Math.ceil((deadline - nowMs) / 1000));
      const told = `${TOOL_STATES.waiting[1]}, ${left} s left`;
      const status = this.tools.get(id).row.querySelector(".status");
      if (status.textContent !== told) status.textContent = told;
    }
  }

  event(event) {
    const follows = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_BOTTOM_PX;
    this[`on${event.kind}`]?.(event);
    while (this.list.childElementCount > MAX_ROWS) this.list.firstElementChild.remove();
    this.empty.hidden = this.list.childElementCount > 0;
    if (follows) this.list.scrollTop = this.list.scrollHeight;
  }

  /** A row at its place in time. */
  row(kind, atMs, ...children) {
    const row = make("li", `row ${kind}`, ...children, make("time", "", clock(atMs)));
    row.dataset.at = atMs;
    let after = this.list.lastElementChild;
    while (after && Number(after.dataset.at) > atMs) after = after.previousElementSibling;
    if (after) after.after(row);
    else this.list.prepend(row);
    return row;
  }

  onUserText({ utterance_id: id, text, final, source, start_ms: start }) {
    let row = this.utterances.get(id);
    if (!text) {
      // A guess that came to nothing.
      row?.remove();
      this.utterances.delete(id);
      return;
    }
    if (!row) {
      row = this.row("user", start, make("p", "said"));
      this.utterances.set(id, row);
      if (this.agent && start > this.agent.start) this.agent = null;
    }
    row.classList.toggle("partial", !final);
    row.setAttribute("aria-busy", String(!final));
    row.querySelector(".said").replaceChildren(text, source === "typed" ? make("span", "typed", "typed") : "");
  }

  onAgentText({ text, forced, at_ms: at }) {
    if (!this.agent || at - this.agent.last > NEW_BUBBLE_MS) {
      this.agent = { start: at, last: at, row: this.row("agent", at, make("p", "said")) };
    }
    this.agent.last = at;
    const said = this.agent.row.querySelector(".said");
    if (!said.hasChildNodes()) text = text.trimStart();
    const tail = said.lastElementChild;
    if (tail?.classList.contains("forced") === forced) tail.append(text);
    else said.append(make("span", forced ? "forced" : "own", text));
  }

  onBargeIn({ at_ms: at, outcome, stop_latency_ms: latency, cancelled_text: cancelled }) {
    const spoken = [...this.list.querySelectorAll(".row.agent")].filter((row) => Number(row.dataset.at) <= at).at(-1);
    if (cancelled && spoken) {
      const cut = make("s", "cut", ` ${cancelled}`);
      cut.title = "Never heard: you broke in";
      spoken.querySelector(".said").append(cut);
      spoken.classList.add("interrupted");
    }
    if (outcome === "yielded") this.agent = null;
    const result = { yielded: `stopped in ${ms(latency)}`, ignored: "it talked on", censored: "no verdict: somebody stopped first" };
    this.row("mark barge", at, make("p", "", make("b", "", "you broke in"), ` · ${result[outcome] ?? outcome}`));
  }

  onBackchannel({ speaker, text, at_ms: at }) {
    this.row("mark quiet", at, make("p", "", `${speaker === "user" ? "you" : "persona"}: ${text || "(acknowledged)"}`));
  }

  tool(event) {
    let tool = this.tools.get(event.invocation_id);
    if (!tool) {
      const badge = make("p", "badge", make("span", "sign"), make("b", "name", plain(event.tool)), make("span", "args"), make("span", "status"));
      tool = { row: this.row("tool", event.at_ms, badge), started: event.at_ms };
      tool.row.dataset.tool = event.tool;
      this.tools.set(event.invocation_id, tool);
    }
    if (event.arguments) {
      const told = Object.values(event.arguments).map(String).join(", ");
      tool.row.querySelector(".args").textContent = told;
    }
    return tool.row;
  }

  toolState(event, state, status = TOOL_STATES[state][1], text = "") {
    const row = this.tool(event);
    this.deadlines.delete(event.invocation_id);
    row.dataset.state = state;
    row.querySelector(".sign").textContent = TOOL_STATES[state][0];
    row.querySelector(".status").textContent = status;
    row.querySelector(".result")?.remove();
    if (text) row.append(make("p", "result", text));
  }

  onToolProposed(event) {
    this.toolState(event, "waiting", undefined, event.prompt);
    this.deadlines.set(event.invocation_id, event.deadline_ms);
  }

  onToolConfirmed(event) {
    this.toolState(event, "pending", `confirmed: “${event.phrase}”`);
  }

  onToolStarted(event) {
    this.toolState(event, "pending");
  }

  onToolProgressed(event) {
    const share = event.fraction === null ? "" : `${Math.round(event.fraction * 100)} % `;
    this.toolState(event, "pending", share + event.message);
  }

  onToolFinished(event) {
    this.toolState(event, "ok", ms(event.latency_ms), event.spoken);
  }

  onToolFailed(event) {
    this.toolState(event, "error", `failed after ${ms(event.latency_ms)}`, event.error);
  }

  onToolRefused(event) {
    this.toolState(event, "refused", event.reason);
  }

  onToolCancelled(event) {
    this.toolState(event, "cancelled", event.reason);
  }

  onResultDelivered({ invocation_id: id, how, words_asked: asked, words_heard: heard, interrupted }) {
    const row = this.tools.get(id)?.row;
    if (!row) return;
    const voice = { engine: "in its own voice", host: "by the host voice", card: "on this card only" }[how] ?? how;
    row.querySelector(".delivered")?.remove();
    row.append(make("p", "delivered", how === "card" ? `shown ${voice}` : `said ${voice}, ${heard} of ${asked} words heard${interrupted ? ", cut off" : ""}`));
  }

  onFidelityMeasured({ invocation_id: id, wer, transcript, recogniser }) {
    const delivered = this.tools.get(id)?.row.querySelector(".delivered");
    if (!delivered) return;
    const told = make("span", "fidelity", `, ${Math.round(100 * wer)} % word errors to the ears of ${recogniser}`);
    told.title = `It heard: ${transcript || "nothing"}`;
    delivered.append(told);
  }

  onDecisionMade({ utterance_id: id, act, reason }) {
    const row = this.utterances.get(id);
    if (!row || act !== "ignore") return;
    row.classList.add("partial");
    row.querySelector(".said").append(make("span", "typed", reason));
  }

  onEngineChosen({ at_ms: at, engine, reason }) {
    this.row("mark quiet", at, make("p", "", make("b", "", engine), ` · ${reason}`));
  }

  onEngineLost({ at_ms: at, engine, reason }) {
    this.row("mark error", at, make("p", "", make("b", "", `${engine} was lost`), ` · ${reason}`));
  }

  onNotice({ at_ms: at, level, message, repair }) {
    this.row(`mark ${level === "info" ? "quiet" : level}`, at, make("p", "", message, repair ? ` ${repair}` : ""));
  }

  onSessionClosed({ at_ms: at, reason, detail }) {
    for (const row of this.utterances.values()) row.setAttribute("aria-busy", "false");
    this.deadlines.clear();
    this.row("mark quiet", at, make("p", "", make("b", "", "talk ended"), ` · ${plain(reason)}${detail ? ` · ${detail}` : ""}`));
  }
}
