"""A talk's events as the two speech tracks that every metric starts from.

The edges are those of the detectors that the events name; `Tracks.detectors` goes into every table made from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluation.tau_voice_events import Tick
from workbench.audio.frames import SAMPLE_RATE
from workbench.dynamics.backchannels import TimedText, backchannels
from workbench.dynamics.segments import Segment, overlap_samples
from workbench.dynamics.summary import TalkSummary, summarise_talk
from workbench.events import AgentSpeech, AgentText, Event, UserSpeech, UserText

AUDIBLE_SHARE = 0.5
"""A tick has speech when at least this share of it does."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """One talk in samples of session time, from `window.start` to `window.end`."""

    user: tuple[Segment, ...]
    agent: tuple[Segment, ...]
    user_words: tuple[TimedText, ...]
    agent_words: tuple[TimedText, ...]
    window: Segment
    detectors: tuple[str, ...]

    def summary(self) -> TalkSummary:
        """All of `workbench.dynamics` in numbers. Raises ValueError for a talk without length."""
        return summarise_talk(self.user, self.agent, self.window, self.user_words, self.agent_words)


def tracks_of(events: Iterable[Event]) -> Tracks:
    """The tracks of one talk from all its events, in any order. Speech that was still going on ends with the last event.

    Raises ValueError when there are no events.
    """
    listed = sorted(events, key=lambda event: event.noticed_samples)
    if not listed:
        raise ValueError("the talk has no events; there is nothing to measure")
    end = max(event.at_samples for event in listed)
    users: list[UserSpeech | AgentSpeech] = [event for event in listed if isinstance(event, UserSpeech)]
    agents: list[UserSpeech | AgentSpeech] = [event for event in listed if isinstance(event, AgentSpeech)]
    heard = [e for e in listed if isinstance(e, UserText) and e.final and e.source == "asr" and e.text]
    return Tracks(
        user=tuple(_segments(users, end)),
        agent=tuple(_segments(agents, end)),
        user_words=tuple(TimedText(e.start_samples, e.text) for e in heard),
        agent_words=tuple(TimedText(e.at_samples, e.text) for e in listed if isinstance(e, AgentText)),
        window=Segment(0, end),
        detectors=tuple(sorted({event.detector for event in [*users, *agents]})),
    )


def ticks_of(tracks: Tracks, tick_s: float) -> list[Tick]:
    """The talk in ticks for τ-voice's panel. A user segment is a backchannel where `workbench.dynamics` says so; nothing is put in."""
    length = round(tick_s * SAMPLE_RATE)
    acknowledged = [
        b.segment for b in backchannels(tracks.user, tracks.agent, tracks.user_words, tracks.agent_words) if b.speaker == "user"
    ]
    ticks = []
    for start in range(tracks.window.start, tracks.window.end, length):
        tick = Segment(start, start + length)
        ticks.append(Tick(_sounds(tracks.user, tick), _sounds(tracks.agent, tick), any(overlap_samples(s, tick) for s in acknowledged)))
    return ticks


def _segments(edges: Sequence[UserSpeech | AgentSpeech], end: int) -> list[Segment]:
    found: list[Segment] = []
    start: int | None = None
    for edge in edges:
        if edge.edge == "start":
            start = edge.at_samples
        elif start is not None:
            found.append(Segment(start, max(edge.at_samples, start + 1)))
            start = None
    return found if start is None or start >= end else [*found, Segment(start, end)]


def _sounds(track: Sequence[Segment], tick: Segment) -> bool:
    return sum(overlap_samples(segment, tick) for segment in track) >= AUDIBLE_SHARE * (tick.end - tick.start)
