"""Derives turns, barge-ins and backchannels while the talk runs, with the functions of `workbench.dynamics` and nothing else.

Only what is not settled is kept, so that a talk of hours costs no more than one of a minute.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from workbench.audio.frames import SAMPLES_PER_MS
from workbench.dynamics.backchannels import TimedText, backchannels_of, joined
from workbench.dynamics.barge_ins import AGENT_PAUSE_MS, YIELD_WINDOW_MS, classify
from workbench.dynamics.segments import Segment, merge
from workbench.dynamics.turns import TURN_PAUSE_MS, Turn, turns, within_overlap
from workbench.engines.base import Stopped
from workbench.events import AgentText, Backchannel, BargeIn, Edge, Speaker, TurnEnded, UserText

SETTLE_SAMPLES = (TURN_PAUSE_MS + 500) * SAMPLES_PER_MS
"""Silence of both after which a turn can no longer grow (the edges themselves arrive up to 500 ms late)."""


@dataclass(slots=True)
class _Pending:
    """A user onset over the agent's speech that is not classified yet."""

    onset: int
    stopped: Stopped | None = None


OTHER: dict[Speaker, Speaker] = {"user": "agent", "agent": "user"}


class TurnTracker:
    """Fed with speech edges and words in order of noticing; publishes `TurnEnded`, `BargeIn` and `Backchannel` once they are settled."""

    def __init__(self, publish: Callable[..., Any]) -> None:
        self._publish = publish
        self._tracks: dict[Speaker, list[Segment]] = {"user": [], "agent": []}
        self._speaking: dict[Speaker, int | None] = {"user": None, "agent": None}
        self._words: dict[Speaker, list[TimedText]] = {"user": [], "agent": []}
        self._barge_ins: list[_Pending] = []
        self._interrupted_at: list[int] = []
        self._last_end: tuple[Speaker, int] | None = None

    def edge(self, speaker: Speaker, edge: Edge, at: int) -> None:
        """One speech edge of one stem."""
        if edge == "start":
            self._speaking[speaker] = at
            if speaker == "user" and self._agent_spoke_at(at):
                self._barge_ins.append(_Pending(at))
            return
        started = self._speaking[speaker]
        if started is not None:
            self._speaking[speaker] = None
            self._tracks[speaker].append(Segment(started, max(at, started + 1)))

    def stopped(self, at: int, stopped: Stopped) -> None:
        """The talk stopped the agent for the user at `at`; the latest open barge-in carries what was heard and what was not."""
        self._interrupted_at.append(at)
        if self._barge_ins:
            self._barge_ins[-1].stopped = stopped

    def words(self, event: UserText | AgentText) -> None:
        """Final words of the user, or a piece of the agent's."""
        if isinstance(event, AgentText):
            self._words["agent"].append(TimedText(event.at_samples, event.text))
        elif event.final and event.text:
            self._words["user"].append(TimedText(event.start_samples, event.text))

    def settle(self, now: int, *, closing: bool = False) -> None:
        """Publishes what can no longer change. Called at every tick; cheap while nothing is open."""
        if self._barge_ins:
            self._settle_barge_ins(now, closing=closing)
        if self._tracks["user"] or self._tracks["agent"]:
            self._settle_turns(now, closing=closing)

    def _agent_spoke_at(self, at: int) -> bool:
        start = self._speaking["agent"]
        if start is not None and start < at:
            return True
        stretches = merge(self._tracks["agent"][-3:], AGENT_PAUSE_MS)
        return bool(stretches) and stretches[-1].start < at < stretches[-1].end

    def _segments(self, speaker: Speaker, now: int) -> list[Segment]:
        """The track with the stretch that is still going on."""
        started = self._speaking[speaker]
        running = [] if started is None or started >= now else [Segment(started, now)]
        return self._tracks[speaker] + running

    def _settle_barge_ins(self, now: int, *, closing: bool) -> None:
        window = YIELD_WINDOW_MS * SAMPLES_PER_MS
        pause = AGENT_PAUSE_MS * SAMPLES_PER_MS
        waiting: list[_Pending] = []
        for pending in self._barge_ins:
            user = next((s for s in self._segments("user", now) if s.start == pending.onset), None)
            agent = next((s for s in merge(self._segments("agent", now), AGENT_PAUSE_MS) if s.start < pending.onset <= s.end), None)
            if user is None or agent is None:
                continue
            agent_done = self._speaking["agent"] is None and now > agent.end + pause
            if not (closing or agent_done or now > pending.onset + window + pause):
                waiting.append(pending)
                continue
            found = classify(user, agent)
            if closing and not agent_done and found.outcome == "yielded":
                found = replace(found, outcome="censored", stop=None, stop_latency_ms=None)
            stopped = pending.stopped or Stopped()
            self._publish(
                BargeIn,
                at_samples=pending.onset,
                barge_in_id=uuid.uuid4().hex,
                outcome=found.outcome,
                stop_samples=found.stop,
                stop_latency_ms=found.stop_latency_ms,
                heard_text=stopped.heard_text,
                cancelled_text=stopped.cancelled_text,
            )
        self._barge_ins = waiting

    def _settle_turns(self, now: int, *, closing: bool) -> None:
        found = turns(self._segments("user", now), self._segments("agent", now))
        for index, turn in enumerate(found):
            after = found[index + 1 :]
            running = self._speaking[turn.speaker] is not None and turn.end >= now
            answered = any(later.speaker != turn.speaker for later in after) and self._words_are_in(turn)
            if not (closing or (not running and (answered or now - turn.end > SETTLE_SAMPLES))):
                return
            if not closing and any(pending.onset <= turn.end for pending in self._barge_ins):
                return
            self._publish_backchannels(turn, now)
            self._publish_turn(turn, after[0].start if after else now)
            self._forget(turn)

    def _words_are_in(self, turn: Turn) -> bool:
        return any(turn.start - SETTLE_SAMPLES <= word.at <= turn.end for word in self._words[turn.speaker])

    def _publish_backchannels(self, turn: Turn, now: int) -> None:
        """What the other acknowledged within the turn. Those words belong to no turn."""
        speaker = OTHER[turn.speaker]
        for found in backchannels_of(speaker, self._segments(speaker, now), [turn.segment], self._words[speaker]):
            self._words[speaker] = [word for word in self._words[speaker] if word not in found.words]
            self._publish(Backchannel, at_samples=found.start, speaker=speaker, text=found.text, duration_ms=found.duration_ms)

    def _publish_turn(self, turn: Turn, before: int) -> None:
        words = self._words[turn.speaker]
        mine = [word for word in words if word.at <= max(turn.end, before if turn.speaker == "agent" else turn.end)]
        self._words[turn.speaker] = [word for word in words if word not in mine]
        latency_ms = turn.fto_ms
        if latency_ms is None and self._last_end is not None and self._last_end[0] != turn.speaker:
            latency_ms = (turn.start - self._last_end[1]) / SAMPLES_PER_MS
        self._last_end = (turn.speaker, turn.end)
        self._publish(
            TurnEnded,
            at_samples=turn.end,
            turn_id=uuid.uuid4().hex,
            speaker=turn.speaker,
            text=joined(turn.speaker, mine),
            start_samples=turn.start,
            end_samples=turn.end,
            latency_ms=latency_ms,
            interrupted=turn.speaker == "agent" and any(turn.start < at <= turn.end + SAMPLES_PER_MS * 200 for at in self._interrupted_at),
        )

    def _forget(self, turn: Turn) -> None:
        """Drops the turn's own segments, and what the other said within it without taking a turn."""
        for speaker, track in self._tracks.items():
            self._tracks[speaker] = [
                s for s in track if s.end > turn.end or (speaker != turn.speaker and not within_overlap(s, [turn.segment]))
            ]
        self._interrupted_at = [at for at in self._interrupted_at if at > turn.end]
