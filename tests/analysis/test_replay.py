"""A replay of a talk whose every moment is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.analysis.known_talks import at, edge, frame, keep
from workbench import events
from workbench.analysis.replay import LateFrame, Phrase, Replay, Span, replay
from workbench.analysis.source import AnalysisError, StoreSource
from workbench.events import Event
from workbench.store.base import Store
from workbench.store.opening import open_store


def piece(seconds: float, text: str, *, forced: bool = False) -> events.AgentText:
    return events.AgentText(at_samples=at(seconds), noticed_samples=at(seconds), text=text, forced=forced)


def said(start_s: float, end_s: float, text: str, *, final: bool = True) -> events.UserText:
    return events.UserText(
        at_samples=at(end_s), noticed_samples=at(end_s), utterance_id="u", text=text, final=final, start_samples=at(start_s), source="asr"
    )


TALK: Sequence[Event] = [
    edge("user", "start", 1.0),
    said(1.0, 2.0, "what", final=False),
    edge("user", "stop", 2.0),
    said(1.0, 2.0, "what time is it"),
    edge("agent", "start", 2.5),
    piece(2.5, " let"),
    piece(2.8, " me see"),
    piece(3.0, " it", forced=True),
    piece(3.4, " is", forced=True),
    piece(4.0, " noon", forced=True),
    edge("user", "start", 4.5),
    edge("agent", "stop", 5.0),
    edge("user", "stop", 5.5),
    edge("agent", "start", 7.0),
    piece(7.0, " oh"),
    events.AudioLost(at_samples=at(8.0), noticed_samples=at(8.2), samples=at(0.2), packets=10),
]


def kept(store: Store, happened: Sequence[Event], *, pace: str = "realtime") -> Replay:
    keep(store, "known", happened, end_s=10.0, pace=pace)
    store.flush()
    return replay(StoreSource(store, Path("unused")), "known")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    made = open_store(database)
    yield made
    made.close()


def test_everything_lies_where_it_was(store: Store) -> None:
    late = events.FrameTiming(
        at_samples=at(3.2), noticed_samples=at(3.2), frame=40, late_ms=95.0, listen_ms=1.0, engine_ms=1.0, total_ms=4.0
    )
    found = kept(store, [*TALK, frame(1, 200.0), late])
    assert found.length_ms == 10_000
    assert found.user == [Span(1_000, 2_000), Span(4_500, 5_500)]
    assert found.agent == [Span(2_500, 5_000), Span(7_000, 10_000)], "what had not stopped ends with the talk"
    assert found.overlaps == [Span(4_500, 5_000)]
    assert found.phrases == [
        Phrase("user", 1_000, 2_000, "what time is it", False),
        Phrase("agent", 2_500, 2_800, "let me see", False),
        Phrase("agent", 3_000, 4_000, "it is noon", True),
        Phrase("agent", 7_000, 7_000, "oh", False),
    ]
    assert found.forced == [Span(3_000, 5_000)]
    assert found.lost == [Span(8_000, 8_200)]
    assert found.late_frames == [LateFrame(3_200, 95.0, 4.0)], "a frame that took long and left in time is not late"
    assert found.summary is not None
    assert (found.summary.duration_s, found.summary.user_turns) == (10.0, 2)


def test_in_virtual_time_no_frame_is_late(store: Store) -> None:
    assert kept(store, TALK, pace="fast").late_frames is None


def test_words_that_are_given_end_where_the_agents_own_begin(store: Store) -> None:
    found = kept(store, [edge("agent", "start", 1.1), piece(1.0, " noon", forced=True), piece(2.0, " so"), edge("agent", "stop", 3.0)])
    assert found.forced == [Span(1_000, 2_000)]
    assert [phrase.text for phrase in found.phrases] == ["noon", "so"]


def test_an_unknown_talk_is_told(store: Store) -> None:
    with pytest.raises(AnalysisError, match="no talk 'nobody'"):
        replay(StoreSource(store, Path("unused")), "nobody")
