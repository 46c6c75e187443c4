from __future__ import annotations

import json
import math

import numpy as np
import pytest

from workbench import events
from workbench.app.levels import FLOOR_DB, LEVELS_PER_FRAME, frame_levels
from workbench.app.measures import Measures
from workbench.app.wire import MAX_TEXT_CHARS, wire
from workbench.audio.frames import FRAME_SAMPLES, silence


def at(ms: float) -> dict[str, int]:
    return {"at_samples": round(ms * 24), "noticed_samples": round(ms * 24)}


def test_samples_are_told_in_ms() -> None:
    shown = wire(
        events.BargeIn(**at(1_000), barge_in_id="b", outcome="yielded", stop_samples=28_800, stop_latency_ms=200.0, heard_text="one")
    )
    assert shown is not None
    assert (shown["kind"], shown["at_ms"], shown["stop_ms"], shown["stop_latency_ms"]) == ("BargeIn", 1_000, 1_200, 200)
    lost = wire(events.AudioLost(**at(0), samples=480, packets=1))
    assert lost is not None
    assert lost["ms"] == 20


def test_what_is_unknown_stays_unknown() -> None:
    shown = wire(events.BargeIn(**at(0), barge_in_id="b", outcome="ignored", stop_samples=None, stop_latency_ms=None))
    assert shown is not None
    assert shown["stop_ms"] is None
    assert shown["stop_latency_ms"] is None


def test_a_tool_cannot_flood_the_page_nor_break_its_json() -> None:
    shown = wire(
        events.ToolFinished(
            **at(0),
            invocation_id="i",
            tool="t",
            result={"rows": ["x" * 100] * 10_000, "bad": object()},
            spoken="y" * 9_000,
            latency_ms=math.nan,
        )
    )
    text = json.dumps(shown, allow_nan=False)
    assert len(text) < 3 * MAX_TEXT_CHARS
    assert json.loads(text)["latency_ms"] is None


@pytest.mark.parametrize(
    "event",
    [
        events.FrameTiming(**at(0), frame=1, late_ms=0, listen_ms=0, engine_ms=0, total_ms=0),
        events.StageTiming(**at(0), utterance_id="u", stage="asr", ms=1),
        events.ClockCorrected(**at(0), samples=1, drift_ppm=None),
    ],
)
def test_measurements_are_not_events_of_the_page(event: events.Event) -> None:
    assert wire(event) is None


def test_levels_of_a_frame() -> None:
    loud = silence()
    loud[:480] = 1.0
    loud[480:960] = np.float32(0.1)
    assert frame_levels(loud) == [0, -20, FLOOR_DB, FLOOR_DB]
    broken = np.full(FRAME_SAMPLES, np.nan, dtype=np.float32)
    assert frame_levels(broken) == [FLOOR_DB] * LEVELS_PER_FRAME


def test_nothing_measured_is_none_and_never_zero() -> None:
    told = Measures().told()
    assert set(told) == {"end_of_turn", "reply", "stop", "tool", "step"}
    for figure in told.values():
        assert (figure["last"], figure["median"], figure["n"]) == (None, None, 0)


def test_figures_are_those_of_the_events() -> None:
    measures = Measures()
    for ms in (100.0, 900.0, 300.0):
        assert measures.add(events.StageTiming(**at(0), utterance_id="u", stage="end_of_turn", ms=ms))
    assert not measures.add(events.StageTiming(**at(0), utterance_id="u", stage="asr", ms=5.0))
    turn = {"turn_id": "t", "text": "", "start_samples": 0, "end_samples": 1}
    assert measures.add(events.TurnEnded(**at(0), speaker="agent", latency_ms=-40.0, **turn))
    assert not measures.add(events.TurnEnded(**at(0), speaker="user", latency_ms=50.0, **turn))
    assert not measures.add(events.TurnEnded(**at(0), speaker="agent", latency_ms=None, **turn))
    for late_ms in (0.0, 81.0):
        measures.add(events.FrameTiming(**at(0), frame=1, late_ms=late_ms, listen_ms=0, engine_ms=0, total_ms=7.0))
    told = measures.told()
    assert told["end_of_turn"] == {"last": 300.0, "median": 300.0, "n": 3}
    assert told["reply"] == {"last": -40.0, "median": -40.0, "n": 1}
    assert told["step"] == {"last": 7.0, "median": 7.0, "n": 2, "late": 1}
