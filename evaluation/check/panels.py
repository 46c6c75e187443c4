"""Files of τ-voice and MTR-DuplexBench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader
from evaluation.mtr import ModelSegment, RoundScore, interruption, turn_taking
from evaluation.tau_voice import Panel, panel
from evaluation.tau_voice_events import Event, Insert, Tick, Windows, events_of
from evaluation.words import Word

INSERTS: Mapping[str | None, Insert | None] = {
    None: None,
    "vocal_tic": "vocal_tic",
    "non_directed_phrase": "non_directed",
    "non_directed": "non_directed",
}
STORED_DIGITS = 3


def _ticks(rows: Sequence[Sequence[Any]]) -> list[Tick]:
    return [Tick(bool(user), bool(agent), action == "backchannel", INSERTS[insert]) for user, agent, action, insert in rows]


def _windows(document: Document, tick_s: float | None = None) -> Windows:
    given = document.get("windows_s", {})
    names = {
        "tick_s": "tick_duration_sec",
        "yield_s": "no_yield_window_sec",
        "backchannel_yield_s": "backchannel_yield_window_sec",
        "vocal_tic_yield_s": "vocal_tic_yield_window_sec",
        "non_directed_yield_s": "non_directed_yield_window_sec",
        "vocal_tic_response_s": "vocal_tic_response_window_sec",
        "non_directed_response_s": "non_directed_response_window_sec",
    }
    values = {name: float(given[key]) for name, key in names.items() if key in given}
    return Windows(**{**values, **({} if tick_s is None else {"tick_s": tick_s})})


def _listed(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as the files write them, latencies rounded."""
    rounded = [None if e.latency_s is None else round(e.latency_s, STORED_DIGITS) for e in events]
    return _comparable([{"type": e.type, "tick": e.tick, "latency_s": s} for e, s in zip(events, rounded, strict=True)])


def _comparable(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By tick and type: events of one tick have no order. The agent's interruptions are left out of the lists (the panel counts them)."""
    listed = [dict(row) for row in rows if row["type"] != "agent_interrupts_user"]
    return sorted(listed, key=lambda row: (row["tick"], row["type"]))


def _panel(found: Panel) -> dict[str, Any]:
    return {
        "response_latency_mean": found.response_latency_s,
        "yield_latency_mean": found.yield_latency_s,
        "response_rate": found.response_rate,
        "yield_rate": found.yield_rate,
        "agent_interruption_rate": found.agent_interruption_rate,
        "selectivity_backchannel": found.selectivity_backchannel,
        "selectivity_vocal_tic": found.selectivity_vocal_tic,
        "selectivity_non_directed": found.selectivity_non_directed,
        "counts": {
            "n_simulations": found.counts.simulations,
            "response_total": found.counts.responses,
            "yield_total": found.counts.yields,
            "backchannel_total": found.counts.backchannels,
            "vocal_tic_total": found.counts.vocal_tics,
            "non_directed_total": found.counts.non_directed,
            "agent_interrupts_count": found.counts.agent_interruptions,
        },
    }


def _synthetic(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(inputs: Mapping[str, Any]) -> dict[str, Any]:
        events = events_of(_ticks(inputs["ticks"]), _windows(document, inputs.get("tick_s")))
        return {"events": _listed(events), "panel": _panel_or_error([events])}

    for case in document["cases"]:
        expected = {**case["expected"], "events": _comparable(case["expected"]["events"])}
        yield Case(case["id"], expected, partial(compute, case["inputs"]))


def _panel_or_error(simulations: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """The events of a case may agree where its panel has nothing to report."""
    try:
        return _panel(panel(simulations))
    except ValueError as fault:
        return {"error": str(fault)}


def _real(document: Document, _folder: Path) -> Iterator[Case]:
    def events(simulation: Mapping[str, Any]) -> list[Event]:
        return events_of(_ticks(simulation["ticks"]), _windows(document, simulation.get("tick_s")))

    def listed(simulation: Mapping[str, Any]) -> list[dict[str, Any]]:
        return _listed(events(simulation))

    for simulation in document["simulations"]:
        if "events" in simulation:
            yield Case(simulation["id"], _comparable(simulation["events"]), partial(listed, simulation))
    for key in ("published_expected_metrics", "metrics_from_reduced_ticks"):
        if key in document:
            yield Case(key, document[key], lambda: _panel(panel([events(s) for s in document["simulations"]])))


def _mtr(document: Document, _folder: Path) -> Iterator[Case]:
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(_round, case["inputs"]))


def _round(inputs: Mapping[str, Any]) -> dict[str, Any]:
    segments = [
        ModelSegment(
            float(s["timestamp"][0]),
            float(s["timestamp"][1]),
            s["text"],
            tuple(Word(w["text"], float(w["start"]), float(w["end"])) for w in s["words"]),
        )
        for s in inputs["model_segments"]
    ]
    times = inputs["timestamps"]
    model = (times.get("model_start"), times.get("model_end"))
    found: RoundScore
    if "interruption_start" in times:
        found = interruption(segments, (times["interruption_start"], times["interruption_end"]), model)
    else:
        found = turn_taking(segments, (times.get("user_start"), times.get("user_end")), model)
    return {"success": int(found.success), "latency_s": found.latency_s, "frequency": found.frequency}


READERS = {
    "tau_voice/synthetic_ticks.json": Reader(frozenset({"cases", "windows_s"}), _synthetic),
    "tau_voice/real_trimmed.json": Reader(
        frozenset({"simulations", "windows_s", "published_expected_metrics", "metrics_from_reduced_ticks"}), _real
    ),
    "mtr/scenarios.json": Reader(frozenset({"cases"}), _mtr),
}
