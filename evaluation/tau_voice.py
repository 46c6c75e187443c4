"""τ-voice's panel: eight numbers about how an agent behaves on an open channel, without a judge.

Yielding and selectivity trade off: an agent that stops for every sound yields to everyone and selects nothing. Report both or neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.tau_voice_events import Event, EventType

MIN_EVENTS = 10
"""Rates with fewer events behind them are not shown."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What each rate rests on."""

    simulations: int
    responses: int
    yields: int
    backchannels: int
    vocal_tics: int
    non_directed: int
    agent_interruptions: int


@dataclass(frozen=True, slots=True)
class Panel:
    """L_R, L_Y (seconds, lower is better); R_R, R_Y, S_BC, S_VT, S_ND (0 to 1, higher is better); I_A (lower is better, can exceed 1).
    None where nothing was counted."""

    response_latency_s: float | None
    yield_latency_s: float | None
    response_rate: float | None
    yield_rate: float | None
    agent_interruption_rate: float | None
    selectivity_backchannel: float | None
    selectivity_vocal_tic: float | None
    selectivity_non_directed: float | None
    counts: Counts


def panel(simulations: Iterable[Sequence[Event]]) -> Panel:
    """All simulations of one experiment together.

    Raises ValueError when they hold nothing but interruptions by the agent: every rate would be empty, and the reference refuses too.
    """
    runs = list(simulations)
    events = [event for run in runs for event in run]
    if all(event.type == "agent_interrupts_user" for event in events):
        raise ValueError(f"{len(runs)} simulations hold no event; a panel needs at least one turn, interruption or sound of the user")

    def count(*types: EventType) -> int:
        return sum(event.type in types for event in events)

    def mean(kind: EventType) -> float | None:
        values = [event.latency_s for event in events if event.type == kind and event.latency_s is not None]
        return fmean(values) if values else None

    responses, yields = count("response", "no_response"), count("yield", "no_yield")
    backchannels = count("backchannel_correct", "backchannel_error")
    tics, others = count("vocal_tic_correct", "vocal_tic_error"), count("non_directed_correct", "non_directed_error")
    interruptions = count("agent_interrupts_user")
    return Panel(
        response_latency_s=mean("response"),
        yield_latency_s=mean("yield"),
        response_rate=_rate(count("response"), responses),
        yield_rate=_rate(count("yield"), yields),
        agent_interruption_rate=_rate(interruptions, responses),
        selectivity_backchannel=_rate(count("backchannel_correct"), backchannels),
        selectivity_vocal_tic=_rate(count("vocal_tic_correct"), tics),
        selectivity_non_directed=_rate(count("non_directed_correct"), others),
        counts=Counts(len(runs), responses, yields, backchannels, tics, others, interruptions),
    )


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
