// Everything that happened in one talk as a table, by time; each row can be played from.

import { clock, make, ms, plain } from "./dom.js";
import { button } from "./session_parts.js";

const OUTCOMES = { yielded: "the persona stopped", ignored: "the persona talked on", censored: "nobody can tell who yielded" };

const seconds = (value) => (value === null ? "" : `${(value / 1000).toFixed(1)} s long`);

function turn({ start_ms: at, speaker, text, duration_ms: lasted, latency_ms: latency, interrupted }) {
  const who = speaker === "user" ? "user" : "persona";
  const more = [seconds(lasted), interrupted && "interrupted"].filter(Boolean).join(", ");
  return { at: at ?? 0, kind: `turn ${speaker === "user" ? "user" : "agent"}`, who, what: text || "(no words known)", more, took: ms(latency) };
}

function bargeIn({ start_ms: at, outcome, stop_latency_ms: latency, heard_text: heard, cancelled_text: cancelled }) {
  const more = [heard && `heard until then: ${heard}`, cancelled && `never heard: ${cancelled}`].filter(Boolean).join("; ");
  return { at: at ?? 0, kind: "barge", who: "user breaks in", what: OUTCOMES[outcome] ?? outcome, more, took: ms(latency) };
}

function tool({ start_ms: at, action, status, latency_ms: latency, arguments: given, spoken, error, delivered_how: how, words_heard: heard, words_asked: wanted }) {
  const told = given && Object.keys(given).length ? ` ${JSON.stringify(given)}` : "";
  const delivered = how && (how === "card" ? "shown on a card" : `said by the ${how === "engine" ? "persona" : "host voice"}, ${heard} of ${wanted} words heard`);
  const more = [error || spoken, delivered].filter(Boolean).join("; ");
  return { at: at ?? 0, kind: `tool ${status}`, who: "tool", what: `${plain(action ?? "?")}: ${plain(status)}${told}`, more, took: ms(latency) };
}

function decision({ start_ms: at, act, tool: name, tier, reason }) {
  const what = [plain(act), name && plain(name), tier && `(${tier})`].filter(Boolean).join(" ");
  return { at, kind: "decision", who: "decision", what, more: reason, took: "" };
}

/** The table; its turns follow the replayer's cursor. */
export function happened(detail, replayer) {
  const told = [...detail.turns.map(turn), ...detail.barge_ins.map(bargeIn), ...detail.decisions.map(decision), ...detail.tool_invocations.map(tool)];
  if (!told.length) return make("p", "wb-none", "Nothing was said or done in this talk.");
  const rows = told.sort((first, second) => first.at - second.at).map(({ at, kind, who, what, more, took }) => {
    const start = button(clock(at), () => replayer.play(at), "from");
    start.setAttribute("aria-label", `Play from ${clock(at)}`);
    const cells = [make("td", "", start), make("td", "who", who), make("td", "what", what, more && make("p", "why", more)), make("td", "number", took)];
    const row = make("tr", kind, ...cells);
    row.dataset.at = at;
    return row;
  });
  const head = make("tr", "", ...["From", "Who", "What", "Latency ↓"].map((title, number) => make("th", number === 3 ? "number" : "", title)));
  const turns = rows.filter((row) => row.classList.contains("turn"));
  replayer.addEventListener("time", ({ detail: nowMs }) => {
    const current = turns.findLast((row) => Number(row.dataset.at) <= nowMs);
    for (const row of turns) row.setAttribute("aria-current", String(row === current));
  });
  return make("table", "wb-rows wb-happened", make("thead", "", head), make("tbody", "", ...rows));
}
