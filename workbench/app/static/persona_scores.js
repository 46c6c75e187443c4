// What the versions of a persona reached in stored talks, with intervals.

import { ask } from "./ask.js";
import { byId, make } from "./dom.js";

const number = (value, unit) => (value === null ? "–" : `${Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)} ${unit}`);
const range = ({ low, high }) => (low === null ? "interval unknown" : `${number(low, "")}to ${number(high, "").trim()}`);

/** Fills the table for one persona. A row is a measure, a column a version. */
export async function scores(id) {
  const place = byId("wb-scores");
  let rows;
  try {
    rows = await ask(`/api/personas/${encodeURIComponent(id)}/scores`);
  } catch (error) {
    place.replaceChildren(make("p", "why", error.message));
    return;
  }
  if (!rows.length) {
    place.replaceChildren(make("p", "why", "Nobody has talked to it. Press Talk to it now, and the figures of its talks come here."));
    return;
  }
  const versions = [...new Set(rows.map((row) => row.version))];
  const measures = [...new Map(rows.map((row) => [row.measure, row])).values()];
  const head = make("tr", "", make("th", "", "Measure"), ...versions.map((version) => make("th", "", version)));
  const body = measures.map((measure) => {
    const arrow = { higher: " ↑", lower: " ↓" }[measure.better] ?? "";
    const cells = versions.map((version) => cell(rows.find((row) => row.version === version && row.measure === measure.measure)));
    const name = make("th", "", `${measure.title}${arrow}`);
    name.scope = "row";
    return make("tr", "", name, ...cells);
  });
  const note = make("p", "why", "Arrows show the better side. Intervals are 95 %, over talks; on the engine with the most talks.");
  place.replaceChildren(make("table", "", make("thead", "", head), make("tbody", "", ...body)), note);
}

function cell(row) {
  if (!row || row.value === null) return make("td", "", "–");
  return make("td", "", make("b", "", number(row.value, row.unit)), make("span", "why", `${range(row)}, ${row.talks} ${row.talks === 1 ? "talk" : "talks"}`));
}
