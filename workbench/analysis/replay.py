"""One talk as it is played back: what lay where in session time, going on or over. Times are ms since the talk began."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import pandas as pd

from workbench.analysis.source import AnalysisError, Source
from workbench.analysis.timeline import speech
from workbench.audio.frames import FRAME_MS
from workbench.dynamics.segments import IPU_PAUSE_MS, SAMPLES_PER_MS, Segment, overlaps
from workbench.dynamics.summary import TalkSummary, summarise_talk

PHRASE_PAUSE_MS = 700
"""Pieces of the agent's text that begin further apart than this are two phrases."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_ms` up to `end_ms`."""

    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words with their place. The user's are an utterance; the agent's are text pieces that follow each other, with the same origin."""

    speaker: Literal["user", "agent"]
    start_ms: float
    end_ms: float
    """Of the agent: where the sound of the last piece begins."""
    text: str
    forced: bool
    """The host put the words in the agent's mouth."""


@dataclass(frozen=True, slots=True)
class LateFrame:
    """A frame that left more than 80 ms after its time."""

    at_ms: float
    late_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Replay:
    """Everything in order of time."""

    length_ms: float
    """Of a talk that goes on: up to its last event."""
    user: Sequence[Span]
    """Speech as the detector heard it live."""
    agent: Sequence[Span]
    overlaps: Sequence[Span]
    phrases: Sequence[Phrase]
    forced: Sequence[Span]
    """Speech of words that were given to the agent."""
    late_frames: Sequence[LateFrame] | None
    """None for a talk in virtual time: its frames have no time by which they must leave."""
    lost: Sequence[Span]
    """User audio that nobody heard."""
    summary: TalkSummary | None
    """None while the talk has no length."""


def replay(source: Source, session_id: str) -> Replay:
    """Raises AnalysisError for a talk that is not there."""
    found = source.frame(
        "SELECT pace, EXTRACT(EPOCH FROM ended_at - started_at) * 1000.0 AS length_ms, "
        "(SELECT max(noticed_samples) FROM events WHERE session_id = $1) AS last_samples FROM sessions WHERE session_id = $1",
        [session_id],
    )
    if found.empty:
        raise AnalysisError(f"there is no talk {session_id!r} in {source.name}.")
    talk = found.iloc[0]
    ended = not pd.isna(talk["length_ms"])
    last_samples = 0 if pd.isna(talk["last_samples"]) else int(talk["last_samples"])
    length_ms = float(talk["length_ms"]) if ended else last_samples / SAMPLES_PER_MS
    heard = speech(source, [session_id])
    user, agent = (_spans(heard[heard["speaker"] == speaker]) for speaker in ("user", "agent"))
    told = _events(source, session_id)
    users, agents = _segments(user), _segments(agent)
    length = round(length_ms * SAMPLES_PER_MS)
    return Replay(
        length_ms=length_ms,
        user=user,
        agent=agent,
        overlaps=[Span(s.start / SAMPLES_PER_MS, s.end / SAMPLES_PER_MS) for s in overlaps(users, agents)],
        phrases=_phrases(told),
        forced=_forced(told, agent),
        late_frames=_late(source, session_id) if talk["pace"] == "realtime" else None,
        lost=[Span(e["at_ms"], e["at_ms"] + e["samples"] / SAMPLES_PER_MS) for e in told if e["kind"] == "AudioLost"],
        summary=summarise_talk(users, agents, Segment(0, length)) if length > 0 else None,
    )


def _events(source: Source, session_id: str) -> list[dict[str, Any]]:
    """Words and losses of the talk with the fields of their payloads, by time."""
    frame = source.frame(
        f"""
        SELECT kind, at_samples / {SAMPLES_PER_MS}.0 AS at_ms, payload->>'text' AS text, payload->>'forced' AS forced,
               CAST(payload->>'start_samples' AS BIGINT) AS start_samples, CAST(payload->>'samples' AS BIGINT) AS samples
        FROM events WHERE session_id = $1 AND (kind IN ('AgentText', 'AudioLost') OR (kind = 'UserText' AND payload->>'final' = 'true'))
        ORDER BY at_samples, seq
        """,  # noqa: S608 - a number of ours
        [session_id],
    )
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _spans(frame: pd.DataFrame) -> list[Span]:
    return [Span(float(start), float(end)) for start, end in zip(frame["start_ms"], frame["end_ms"], strict=True) if end > start]


def _segments(spans: Iterable[Span]) -> list[Segment]:
    """Edges of one detector never lie within each other, so these are sorted and free of overlaps."""
    return [Segment(round(s.start_ms * SAMPLES_PER_MS), round(s.end_ms * SAMPLES_PER_MS)) for s in spans]


def _phrases(told: Sequence[Mapping[str, Any]]) -> list[Phrase]:
    found = [
        Phrase("user", e["start_samples"] / SAMPLES_PER_MS, e["at_ms"], e["text"], False)
        for e in told
        if e["kind"] == "UserText" and e["text"]
    ]
    last: Phrase | None = None
    for piece in (e for e in told if e["kind"] == "AgentText"):
        forced = piece["forced"] == "true"
        if last is not None and last.forced == forced and piece["at_ms"] - last.end_ms <= PHRASE_PAUSE_MS:
            last = found[-1] = replace(last, end_ms=piece["at_ms"], text=last.text + piece["text"])
        else:
            last = Phrase("agent", piece["at_ms"], piece["at_ms"], piece["text"], forced)
            found.append(last)
    whole = (replace(phrase, text=phrase.text.strip()) for phrase in found)
    return sorted((phrase for phrase in whole if phrase.text), key=lambda phrase: phrase.start_ms)


def _forced(told: Sequence[Mapping[str, Any]], agent: Sequence[Span]) -> list[Span]:
    """Runs of forced pieces, each up to the next piece of the agent's own or the end of the speech that it lies in."""
    found: list[Span] = []
    pieces = [e for e in told if e["kind"] == "AgentText"]
    for piece, after in pairwise([*pieces, {"at_ms": math.inf}]):
        if piece["forced"] != "true":
            continue
        # The detector may hear the first sound of a piece a moment after it begins.
        heard = (s.end_ms for s in agent if s.start_ms - IPU_PAUSE_MS <= piece["at_ms"] < s.end_ms)
        end = min(next(heard, piece["at_ms"]), after["at_ms"])
        if found and found[-1].end_ms >= piece["at_ms"]:
            found[-1] = Span(found[-1].start_ms, max(end, found[-1].end_ms))
        else:
            found.append(Span(piece["at_ms"], end))
    return found


def _late(source: Source, session_id: str) -> list[LateFrame]:
    frame = source.frame(
        f"SELECT at_samples / {SAMPLES_PER_MS}.0 AS at_ms, late_ms, total_ms FROM frame_timings "  # noqa: S608 - numbers of ours
        f"WHERE session_id = $1 AND late_ms > {FRAME_MS} ORDER BY seq",
        [session_id],
    )
    return [LateFrame(float(row.at_ms), float(row.late_ms), float(row.total_ms)) for row in frame.itertuples(index=False)]
