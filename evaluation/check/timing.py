"""Files of floor-transfer offsets, IPUs and tool latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader, spans
from evaluation.check.compare import EXACT, Tolerance
from evaluation.fto import Utterance, offsets_ms
from evaluation.tool_latency import ToolBreakdown, ToolEvents, breakdown
from workbench.dynamics.segments import from_seconds, ipus, overlaps, to_seconds, total_samples
from workbench.dynamics.states import gaps, pauses

SAMPLE_S = 1 / 24_000
"""Times become samples of session time; an edge may move by half of one, a difference by one."""
STORED_DIGITS = 4
"""Worked values are rounded to this many digits."""
WORKED = Tolerance(EXACT + SAMPLE_S)


def _fto(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(inputs: Mapping[str, Any]) -> list[float | None]:
        rows = [Utterance(str(row[0]), row[1], row[2]) for row in inputs["utterances_ms"]]
        return offsets_ms(rows, inputs["window_ms"], inputs["planning_buffer_ms"], inputs["n_participants"])

    for case in document["cases"]:
        yield Case(case["id"], case["expected_fto_ms"], partial(compute, case["inputs"]))


def _ipu(document: Document, _folder: Path) -> Iterator[Case]:
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(_dialogue, case["inputs"]), WORKED)


def _dialogue(inputs: Mapping[str, Any]) -> dict[str, Any]:
    first, second = ipus(from_seconds(inputs["A_vad_s"])), ipus(from_seconds(inputs["B_vad_s"]))
    parts = {"pauses": pauses(first, second), "gaps": gaps(first, second), "overlaps": overlaps(first, second)}
    totals = {"ipu": [*first, *second], "pause": parts["pauses"], "gap": parts["gaps"], "overlap": parts["overlaps"]}
    return {
        "A_ipus": spans(to_seconds(first)),
        "B_ipus": spans(to_seconds(second)),
        **{name: spans(to_seconds(found)) for name, found in parts.items()},
        "totals_s": {name: total_samples(found) * SAMPLE_S for name, found in totals.items()},
    }


def _tools(document: Document, _folder: Path) -> Iterator[Case]:
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(_tool_turn, case["inputs"]), WORKED)


def _tool_turn(inputs: Mapping[str, Any]) -> dict[str, Any]:
    moments = inputs["events"]
    events = ToolEvents(
        user_speech_end_s=float(moments["user_speech_end"]),
        intent_detected_s=moments.get("intent_detected"),
        tool_dispatched_s=moments.get("tool_dispatched"),
        tool_result_s=moments.get("tool_result"),
        result_injected_s=moments.get("result_injected"),
        first_content_word_s=moments.get("first_content_word"),
    )
    return _parts(breakdown(events, inputs["user_speech_s"], inputs["agent_speech_s"]))


def _parts(found: ToolBreakdown) -> dict[str, Any]:
    dead = found.dead_air_s
    return {
        "intent_s": found.intent_s,
        "dispatch_s": found.dispatch_s,
        "tool_s": found.tool_s,
        "injection_s": found.injection_s,
        "spoken_s": found.spoken_s,
        "total_s": found.total_s,
        "preemptive_call": found.preemptive,
        "time_to_first_audio_s": found.time_to_first_audio_s,
        "filler_speech_s": found.filler_speech_s,
        "filler_coverage": None if found.filler_coverage is None else round(found.filler_coverage, STORED_DIGITS),
        "silences_s": None if found.silences_s is None else spans(found.silences_s),
        "longest_silence_s": found.longest_silence_s,
        "dead_air_over_2s_count": None if dead is None else len(dead),
        "dead_air_over_2s_total_s": None if dead is None else sum(end - start for start, end in dead),
    }


READERS = {
    "fto/scikit_talk_fto.json": Reader(frozenset({"cases"}), _fto),
    "ipu/definitions_worked.json": Reader(frozenset({"cases"}), _ipu),
    "tool_latency/worked_event_logs.json": Reader(frozenset({"cases"}), _tools),
}
