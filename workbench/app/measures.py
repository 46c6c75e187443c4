"""The figures above the transcript, measured in this talk and nowhere else."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any

from workbench.events import BargeIn, Event, FrameTiming, StageTiming, ToolFailed, ToolFinished, TurnEnded

KEPT = 1_000
"""A median is over the last so many values."""
STEP_FRAMES = 375
"""Steps are judged over the last 30 s."""
DEADLINE_MS = 80.0


class Measure:
    """One figure: the last value and the median, None until something was measured."""

    def __init__(self, kept: int = KEPT) -> None:
        self.n = 0
        self._values: deque[float] = deque(maxlen=kept)

    def add(self, value_ms: float) -> None:
        self.n += 1
        self._values.append(value_ms)

    def told(self) -> dict[str, float | int | None]:
        """`{"last": ms, "median": ms, "n": count}`."""
        if not self._values:
            return {"last": None, "median": None, "n": 0}
        return {"last": round(self._values[-1], 1), "median": round(statistics.median(self._values), 1), "n": self.n}


class Measures:
    """Fed with every event of a talk. Keys of `told`: `end_of_turn`, `reply`, `stop`, `tool`, `step`."""

    def __init__(self) -> None:
        self._latencies = {name: Measure() for name in ("end_of_turn", "reply", "stop", "tool")}
        self._step = Measure(STEP_FRAMES)
        self._late = 0

    def add(self, event: Event) -> bool:
        """True when a latency changed; steps change all the time and are not reported so."""
        match event:
            case StageTiming(stage="end_of_turn", ms=ms):
                return self._add("end_of_turn", ms)
            case TurnEnded(speaker="agent", latency_ms=ms):
                return self._add("reply", ms)
            case BargeIn(stop_latency_ms=ms):
                return self._add("stop", ms)
            case ToolFinished(latency_ms=ms) | ToolFailed(latency_ms=ms):
                return self._add("tool", ms)
            case FrameTiming(total_ms=ms, late_ms=late_ms):
                self._step.add(ms)
                self._late += late_ms > DEADLINE_MS
        return False

    def _add(self, name: str, ms: float | None) -> bool:
        if ms is None:
            return False
        self._latencies[name].add(ms)
        return True

    def told(self) -> dict[str, Any]:
        """Every measure as JSON; `step` also has `late`, the frames that left over 80 ms after their time."""
        return {name: measure.told() for name, measure in self._latencies.items()} | {"step": {**self._step.told(), "late": self._late}}
