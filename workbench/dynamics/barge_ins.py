"""Barge-ins: the user begins to speak while the agent speaks.

Stop latency is the agent's last audible sample less the user's onset. It is counted only where the agent stopped while it had a reason
to (`yielded`); an agent that would have ended anyway cannot be told apart from one that yields, as in every published benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, merge

YIELD_WINDOW_MS = 2_000
"""An agent that talks on this long after the onset ignored it (tau-voice's window for yielding)."""
AGENT_PAUSE_MS = 500
"""Pauses of the agent up to this do not count as stopping (Full-Duplex-Bench v1.5 merges model speech at 0.5 s)."""
Outcome = Literal["yielded", "ignored", "censored"]


@dataclass(frozen=True, slots=True)
class BargeInFound:
    """One barge-in. `stop` and `stop_latency_ms` are None unless the agent yielded."""

    onset: int
    outcome: Outcome
    stop: int | None
    stop_latency_ms: float | None


def classify(user: Segment, agent: Segment, window_ms: float | None = None) -> BargeInFound:
    """One user segment that begins within one (merged) agent segment. `window_ms` is `YIELD_WINDOW_MS` unless a benchmark has its own."""
    window = (YIELD_WINDOW_MS if window_ms is None else window_ms) * SAMPLES_PER_MS
    if agent.end - user.start > window:
        # The agent outlasted the window. If the user gave up before it was over, nobody knows whether it would have yielded.
        return BargeInFound(user.start, "ignored" if user.end - user.start >= window else "censored", None, None)
    if agent.end > user.end + AGENT_PAUSE_MS * SAMPLES_PER_MS:
        return BargeInFound(user.start, "censored", None, None)
    return BargeInFound(user.start, "yielded", agent.end, (agent.end - user.start) / SAMPLES_PER_MS)


def barge_ins(user: Sequence[Segment], agent: Sequence[Segment]) -> list[BargeInFound]:
    """Every barge-in of two tracks, by onset."""
    stretches = merge(agent, AGENT_PAUSE_MS)
    found = []
    for segment in sorted(user):
        for stretch in stretches:
            if stretch.start < segment.start < stretch.end:
                found.append(classify(segment, stretch))
                break
    return found
