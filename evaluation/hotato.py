"""hotato 1.20's yield test (MIT), from two channels of sound: did the agent stop for the caller, how soon, and how long did both talk.

Its times stand on the energy detector of `evaluation.detectors`. Before 1.20 that detector kept its 150 ms hangover on the agent's
tail, and every stop latency came out 0.15 s longer: name the version beside the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.detectors import HANGOVER_MS, HOP_MS, Activity, energy_activity, runs
from workbench.audio.frames import Pcm

QUIET_MS = 200
"""Silence that makes a stop or the end of the caller's turn; counted on trimmed activity, so the hangover is added to it."""
SEARCH_MS = 3_000
"""A stop later than this after the onset is none."""
CALLER_NEAR_MS = 500
"""The caller must sound within this of the stop: an agent that ends its sentence long after an acknowledgement has not yielded."""
ALREADY_TALKING_MS = 100
"""The agent was talking at the onset when it sounded within this before it."""
ONSET_RUN_MS = 50
"""Sound this long is a caller's onset."""
EARLY_MS = 50
"""A reply may begin this long before the caller's end and still be no premature start."""


@dataclass(frozen=True, slots=True)
class YieldScore:
    """One clip, in seconds. `response_gap_s` is None where the agent starts too early, then `premature_start_s` says by how much; both
    are None where the caller's end or the agent's next start is not in the clip. `did_yield` says nothing unless the agent was talking."""

    caller_onset_s: float
    detected_caller_onset_s: float | None
    agent_talking_at_onset: bool
    did_yield: bool
    time_to_yield_s: float | None
    talk_over_s: float
    response_gap_s: float | None
    premature_start_s: float | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a label asks of the agent; a bound of None is not asked for."""

    should_yield: bool
    max_time_to_yield_s: float | None = None
    max_talk_over_s: float | None = None


def score(caller: Pcm, agent: Pcm, rate: int, onset_s: float | None = None) -> YieldScore:
    """Two channels `[n]` of one clip at `rate`. Without a labelled onset the caller's first sound is taken.

    Raises ValueError when a channel is empty, or no onset is given and the caller is never heard.
    """
    callers, agents = energy_activity(caller, rate), energy_activity(agent, rate)
    detected = _first_run(callers.held, _hops(ONSET_RUN_MS))
    if onset_s is None and detected is None:
        raise ValueError("the caller is never heard and no onset is given; check the channels or label the onset")
    onset_s = detected * HOP_MS / 1_000 if onset_s is None and detected is not None else float(onset_s or 0.0)
    length = min(len(callers.held), len(agents.held))
    onset = min(max(0, round(onset_s * 1_000 / HOP_MS)), length - 1)
    end = min(length, onset + _hops(SEARCH_MS))
    stop = _stop(callers, agents, onset, end)
    both = callers.trimmed[:length] & agents.trimmed[:length]
    gap, early = _response(callers, agents, onset, length)
    return YieldScore(
        caller_onset_s=round(onset_s, 3),
        detected_caller_onset_s=None if detected is None else _seconds(detected),
        agent_talking_at_onset=bool(agents.held[max(0, onset - _hops(ALREADY_TALKING_MS)) : onset + 1].any()),
        did_yield=stop is not None,
        time_to_yield_s=None if stop is None else _seconds(stop - onset),
        talk_over_s=_seconds(int(both[onset : end if stop is None else stop].sum())),
        response_gap_s=None if gap is None else _seconds(gap),
        premature_start_s=None if early is None else _seconds(early),
    )


def shortfalls(found: YieldScore, expected: Expectation) -> list[str]:
    """Why a clip fails its label; empty when it passes."""
    if not expected.should_yield:
        return ["expected the agent to keep the floor but it yielded (a false or phantom barge-in)"] if found.did_yield else []
    if not found.did_yield:
        return ["expected the agent to yield but it kept talking"]
    reasons = []
    took, most = found.time_to_yield_s, expected.max_time_to_yield_s
    if took is not None and most is not None and took > most:
        reasons.append(f"yielded in {took:.2f}s, slower than the {most:.2f}s bound")
    over = expected.max_talk_over_s
    if over is not None and found.talk_over_s > over:
        reasons.append(f"talked over the caller for {found.talk_over_s:.2f}s, more than the {over:.2f}s bound")
    return reasons


def _stop(callers: Activity, agents: Activity, onset: int, end: int) -> int | None:
    """The first hop from the onset on that lies in a long silence of the agent with the caller near.

    A silence that began before the onset counts with its whole length. One without the caller near is looked at again from the hop after
    it became long enough on, so that a caller who comes late can still be yielded to.
    """
    quiet = _hops(QUIET_MS) + _hops(HANGOVER_MS)
    near = _hops(CALLER_NEAR_MS)
    for start, stop in runs(~agents.trimmed):
        at = max(start, onset)
        while at < min(stop, end):
            judged = max(at + 1, start + quiet)
            if judged > stop:
                break
            if callers.held[max(0, at - near) : at + near].any():
                return at
            at = judged + 1
    return None


def _response(callers: Activity, agents: Activity, onset: int, length: int) -> tuple[int | None, int | None]:
    """Hops from the caller's end to the agent's next start, and hops by which that start is too early; (None, None) if not in the clip."""
    turn_end = _turn_end(callers.trimmed[:length], onset)
    starts = [start for start, _ in runs(agents.held[:length]) if start > onset]
    if turn_end is None or not starts:
        return None, None
    lead = turn_end - starts[0]
    return (None, lead) if lead > _hops(EARLY_MS) else (max(0, -lead), 0)


def _turn_end(caller: NDArray[np.bool_], onset: int) -> int | None:
    """Where the caller, having sounded from the onset on, falls silent for long."""
    quiet = _hops(QUIET_MS) + _hops(HANGOVER_MS)
    sounding = np.flatnonzero(caller[onset:])
    if not len(sounding):
        return None
    first = onset + int(sounding[0])
    return next((start for start, stop in runs(~caller) if start > first and stop - start >= quiet), None)


def _first_run(active: NDArray[np.bool_], hops: int) -> int | None:
    return next((start for start, stop in runs(active) if stop - start >= hops), None)


def _hops(ms: int) -> int:
    return ms // HOP_MS


def _seconds(hops: int) -> float:
    return round(hops * HOP_MS / 1_000, 3)
