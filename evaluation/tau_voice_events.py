"""τ-voice (tau2-bench, MIT): from 200 ms ticks of who speaks to events of the interaction panel.

Its edges, kept as published: the first tick after a user segment decides whether the agent "was speaking at its end", so an answer in
the very next tick is no response; a stop exactly at the end of the window of a segment is none, while that of a sound outside any
segment counts, and one that the agent rightly talks through there is no event at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Insert = Literal["vocal_tic", "non_directed"]
EventType = Literal[
    "response",
    "no_response",
    "yield",
    "no_yield",
    "backchannel_correct",
    "backchannel_error",
    "vocal_tic_correct",
    "vocal_tic_error",
    "non_directed_correct",
    "non_directed_error",
    "agent_interrupts_user",
]
_VERDICTS: dict[str, tuple[EventType, EventType]] = {
    "backchannel": ("backchannel_correct", "backchannel_error"),
    "vocal_tic": ("vocal_tic_correct", "vocal_tic_error"),
    "non_directed": ("non_directed_correct", "non_directed_error"),
}


@dataclass(frozen=True, slots=True)
class Windows:
    """How long the agent has for each reaction, in seconds; the published values."""

    tick_s: float = 0.2
    yield_s: float = 2.0
    backchannel_yield_s: float = 1.0
    vocal_tic_yield_s: float = 1.0
    non_directed_yield_s: float = 1.0
    vocal_tic_response_s: float = 2.0
    non_directed_response_s: float = 2.0

    def ticks(self, seconds: float) -> int:
        return int(seconds / self.tick_s)


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick. `backchannel` is the user simulator's decision, read at the first tick of a segment; `insert` a sound put in."""

    user: bool
    agent: bool
    backchannel: bool = False
    insert: Insert | None = None


class Event(NamedTuple):
    """One event. `latency_s` is set for a response and a yield."""

    type: EventType
    tick: int
    latency_s: float | None = None


class _Segment(NamedTuple):
    """A run of ticks up to, not including, `end`; `over` and `met` say whether the other spoke at its first tick and right after it."""

    start: int
    end: int
    over: bool
    met: bool
    backchannel: bool
    inserts: frozenset[Insert]


def events_of(ticks: Sequence[Tick], windows: Windows = Windows()) -> list[Event]:
    """All events of one simulation, by time. A user segment of one tick at the very end (the stop signal) is no speech."""
    if len(ticks) > 1 and ticks[-1].user and not ticks[-2].user:
        ticks = ticks[:-1]
    users = _segments([t.user for t in ticks], [t.agent for t in ticks], ticks)
    agents = _segments([t.agent for t in ticks], [t.user for t in ticks], ticks)
    found = _responses(users, agents, windows)
    sounds = _interruptions(users, ticks, windows)
    sounds += [Event("agent_interrupts_user", agent.start) for agent in agents if agent.over]
    for user in users:
        if not user.over and user.inserts:
            kind: Insert = "vocal_tic" if "vocal_tic" in user.inserts else "non_directed"
            sounds.append(_in_silence(kind, user.start, user.end, agents, windows))
    for kind, start, end in _stray_inserts(ticks):
        sounds += _stray(kind, start, end, agents, windows)
    found += sorted(sounds, key=lambda event: event.tick)
    return sorted(found, key=lambda event: event.tick)


def _segments(own: Sequence[bool], other: Sequence[bool], ticks: Sequence[Tick]) -> list[_Segment]:
    found: list[_Segment] = []
    for start, end in _runs(own):
        inserts = frozenset(insert for tick in ticks[start:end] if (insert := tick.insert) is not None)
        met = end < len(other) and other[end]
        found.append(_Segment(start, end, other[start], met, ticks[start].backchannel, inserts))
    return found


def _runs(values: Sequence[object]) -> list[tuple[int, int]]:
    """Runs of equal true values."""
    found: list[tuple[int, int]] = []
    for index, value in enumerate(values):
        if not value:
            continue
        if found and found[-1][1] == index and values[index - 1] == value:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


def _responses(users: Sequence[_Segment], agents: Sequence[_Segment], windows: Windows) -> list[Event]:
    """What followed each user turn that ended with the agent silent: the agent's start, or the user's next such turn."""
    turns = [user for user in users if not user.backchannel and not user.met]
    found = []
    for index, user in enumerate(turns):
        answer = next((agent.start for agent in agents if agent.start >= user.end), None)
        again = turns[index + 1].start if index + 1 < len(turns) else None
        if answer is not None and (again is None or answer <= again):
            found.append(Event("response", user.end, (answer - user.end) * windows.tick_s))
        elif again is not None:
            found.append(Event("no_response", user.end))
    return found


def _interruptions(users: Sequence[_Segment], ticks: Sequence[Tick], windows: Windows) -> list[Event]:
    """User segments that begin over the agent: did it fall silent within the window of their kind?"""
    found = []
    for user in users:
        if not user.over:
            continue
        kind, window_s = _kind(user, windows)
        reach = ticks[user.start : user.start + windows.ticks(window_s)]
        stop = next((offset for offset, tick in enumerate(reach) if not tick.agent), None)
        if kind in _VERDICTS:
            found.append(Event(_VERDICTS[kind][stop is not None], user.start))
        elif stop is None:
            found.append(Event("no_yield", user.start))
        else:
            found.append(Event("yield", user.start, stop * windows.tick_s))
    return found


def _kind(user: _Segment, windows: Windows) -> tuple[str, float]:
    if user.backchannel:
        return "backchannel", windows.backchannel_yield_s
    if "vocal_tic" in user.inserts:
        return "vocal_tic", windows.vocal_tic_yield_s
    if "non_directed" in user.inserts:
        return "non_directed", windows.non_directed_yield_s
    return "interruption", windows.yield_s


def _stray_inserts(ticks: Sequence[Tick]) -> list[tuple[Insert, int, int]]:
    """Sounds put in while the user does not speak."""
    inserts = [None if tick.user else tick.insert for tick in ticks]
    return [(kind, start, end) for start, end in _runs(inserts) if (kind := inserts[start]) is not None]


def _stray(kind: Insert, start: int, end: int, agents: Sequence[_Segment], windows: Windows) -> list[Event]:
    speaking = next((agent for agent in agents if agent.start <= start < agent.end), None)
    if speaking is None:
        return [_in_silence(kind, start, end, agents, windows)]
    window_s = windows.vocal_tic_yield_s if kind == "vocal_tic" else windows.non_directed_yield_s
    return [Event(_VERDICTS[kind][1], start)] if (speaking.end - start) * windows.tick_s <= window_s else []


def _in_silence(kind: Insert, start: int, end: int, agents: Sequence[_Segment], windows: Windows) -> Event:
    """A sound that falls into the agent's silence: an agent that starts within the window answers it, which is an error."""
    window_s = windows.vocal_tic_response_s if kind == "vocal_tic" else windows.non_directed_response_s
    correct, error = _VERDICTS[kind]
    answer = next((agent.start for agent in agents if start <= agent.start <= end + windows.ticks(window_s)), None)
    return Event(correct, start) if answer is None else Event(error, answer)
