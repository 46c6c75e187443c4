// The figures above the transcript, and the lists on the left: engines with their lights, parts in use.

import { byId, make, ms } from "./dom.js";

const MEASURES = [
  ["end_of_turn", "End of turn", "From your last word until the workbench is sure that you have finished"],
  ["reply", "Reply", "From the end of your turn to the persona's first sound; below zero it began before you ended"],
  ["stop", "Stop", "From your breaking in to the persona's last sound"],
  ["tool", "Tool", "How long a tool took to answer"],
  ["step", "Step", "Work on one 80 ms frame; late frames left over 80 ms after their time"],
];

const PARTS = { asr: "Recogniser", end_of_turn: "End of turn", tts: "Voice", responder: "Responder" };
const STATES = { ready: "ready", busy: "busy", starting: "starting", unavailable: "not available" };

export function showMeasures(told) {
  byId("wb-measures").replaceChildren(
    ...MEASURES.map(([name, title, meaning]) => {
      const { last = null, median = null, n = 0, late = 0 } = told?.[name] ?? {};
      const more = [n ? `median ${ms(median)}` : "not measured yet", name === "step" ? (n ? `${late} late` : "") : n ? `n ${n}` : ""];
      const tile = make("div", "tile", make("dt", "", title), make("dd", "last", ms(last)), make("dd", "more", more.filter(Boolean).join(" · ")));
      tile.title = meaning;
      tile.dataset.measure = name;
      return tile;
    }),
  );
}

export function showLights({ engines, auto }) {
  const rows = Object.entries(engines).map(([name, engine]) => {
    const places = engine.capacity === null ? "" : `${engine.in_use ?? 0} of ${engine.capacity} in use`;
    const measured = engine.handshake_ms === null ? "" : `answered in ${ms(engine.handshake_ms)}`;
    const row = make(
      "li",
      "",
      make("span", "light"),
      make("p", "", make("b", "", name), ` ${STATES[engine.state] ?? engine.state}`),
      make("p", "why", [engine.reason, engine.repair].filter(Boolean).join(" ")),
      make("p", "why", [measured, places].filter(Boolean).join(" · ")),
    );
    row.dataset.engine = name;
    row.dataset.state = engine.state;
    row.title = `Asked ${new Date(engine.probed_at).toLocaleTimeString()}`;
    return row;
  });
  const choice = auto.engine === null ? `auto finds none: ${auto.reason}` : `auto takes ${auto.engine}.`;
  byId("wb-lights").replaceChildren(...rows, make("li", "wb-none", choice));
}

export function showParts(parts) {
  byId("wb-parts").replaceChildren(
    ...Object.entries(parts).map(([role, { name, why }]) =>
      make("div", "", make("dt", "", PARTS[role] ?? role), make("dd", "", make("b", "", name), make("span", "why", why))),
    ),
  );
}
