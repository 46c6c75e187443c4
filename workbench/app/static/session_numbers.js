// One talk in figures, as the server counted them. What is not known is a dash.

import { make, ms } from "./dom.js";

const UNKNOWN = "–";
const count = (value) => String(value);
const seconds = (value) => `${value.toFixed(1)} s`;
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const rate = (value) => value.toFixed(1);

/** Title, how it is shown, where it is found, and what it means. */
const FIGURES = [
  ["Length", seconds, ({ replay }) => replay.length_ms / 1000, "Session time"],
  ["Reply, median ↓", ms, ({ replay }) => replay.row.latency_p50_ms, "Floor-transfer offset of the persona's turns; below zero it began before the user had ended"],
  ["Replies", count, ({ replay }) => replay.row.latency_n, "What that median is over"],
  ["Floor transfer, median", ms, ({ summary }) => summary?.offsets.median_ms, "Over every change of speaker, by speech as it was detected"],
  ["Turns of the user", count, ({ summary }) => summary?.user_turns, "By speech as it was detected"],
  ["Turns of the persona", count, ({ summary }) => summary?.agent_turns, "By speech as it was detected"],
  ["Persona's share of speech", percent, ({ summary }) => summary?.agent_talk_ratio, "Its speech over all speech"],
  ["Overlap", percent, ({ summary }) => summary?.overlap_ratio, "Of the talk, both speak"],
  ["Pauses a minute", rate, ({ summary }) => summary?.pause.per_minute, "Silences within one speaker's floor"],
  ["Gaps a minute", rate, ({ summary }) => summary?.gap.per_minute, "Silences between two speakers"],
  ["Dead air ↓", seconds, ({ summary }) => summary?.dead_air.seconds, "In silences longer than 2 s"],
  ["Longest silence ↓", seconds, ({ summary }) => summary?.longest_silence_s, ""],
  ["Broken into, it stopped ↑", count, ({ detail }) => detail.barge_ins.filter((one) => one.outcome === "yielded").length, "Barge-ins that it yielded to"],
  ["Broken into, it talked on ↓", count, ({ detail }) => detail.barge_ins.filter((one) => one.outcome === "ignored").length, ""],
  ["Tool calls", count, ({ detail }) => detail.tool_invocations.length, ""],
  ["Late frames ↓", count, ({ replay }) => replay.late_frames && replay.late_frames.length, "Left more than 80 ms after their time; unknown in virtual time"],
];

function figures(detail, replay) {
  const known = { detail, replay, summary: replay.summary };
  return FIGURES.map(([title, show, find, meaning]) => {
    const value = find(known) ?? null;
    return { title, meaning, value, shown: value === null ? UNKNOWN : show(value), show };
  });
}

/** The figures of one talk. */
export function numbers(detail, replay) {
  const told = figures(detail, replay).map(({ title, meaning, shown }) => {
    const made = make("div", "", make("dt", "", title), make("dd", "", shown));
    made.title = meaning;
    return made;
  });
  return make("dl", "wb-numbers", ...told);
}

/** The figures of two talks, and how far the second lies from the first. */
export function compared(first, second) {
  const [one, other] = [figures(...first), figures(...second)];
  const rows = one.map(({ title, meaning, value, shown, show }, number) => {
    const after = other[number];
    const known = value !== null && after.value !== null;
    const difference = known ? after.value - value : null;
    const name = make("th", "", title);
    name.scope = "row";
    name.title = meaning;
    return make("tr", "", name, make("td", "number", shown), make("td", "number", after.shown), make("td", "number", known ? `${difference > 0 ? "+" : ""}${show(difference)}` : UNKNOWN));
  });
  const head = make("tr", "", ...["Figure", "First", "Second", "Second less first"].map((title, number) => make("th", number ? "number" : "", title)));
  return make("table", "wb-rows wb-compared", make("thead", "", head), make("tbody", "", ...rows));
}
