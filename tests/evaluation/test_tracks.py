"""From a talk's events to tracks, a summary, and τ-voice's ticks."""

from __future__ import annotations

import pytest

from evaluation.tau_voice import panel
from evaluation.tau_voice_events import events_of
from evaluation.tracks import ticks_of, tracks_of
from workbench.events import AgentSpeech, AgentText, Edge, Event, SessionClosed, UserSpeech, UserText

RATE = 24_000


def user(edge: Edge, at: float) -> UserSpeech:
    return UserSpeech(at_samples=round(at * RATE), noticed_samples=round((at + 0.1) * RATE), edge=edge, detector="silero")


def agent(edge: Edge, at: float) -> AgentSpeech:
    return AgentSpeech(at_samples=round(at * RATE), noticed_samples=round((at + 0.2) * RATE), edge=edge, detector="energy")


def said(at: float, text: str, *, final: bool = True) -> UserText:
    at_samples = round(at * RATE)
    return UserText(
        at_samples=at_samples, noticed_samples=at_samples, utterance_id="u", text=text, final=final, start_samples=at_samples, source="asr"
    )


TALK: list[Event] = [
    *(user("start", 1.0), said(1.0, "what", final=False), said(1.0, "What is the time?"), user("stop", 2.0)),
    *(agent("start", 2.4), AgentText(at_samples=round(2.4 * RATE), noticed_samples=round(2.4 * RATE), text="It is noon.")),
    *(user("start", 4.0), said(4.0, "Mm-hm."), user("stop", 4.4), agent("stop", 8.0), user("start", 9.0)),
    SessionClosed(at_samples=12 * RATE, noticed_samples=12 * RATE, reason="user"),
]


def test_edges_become_tracks_and_open_speech_ends_with_the_talk() -> None:
    tracks = tracks_of(TALK)
    assert [(s.start / RATE, s.end / RATE) for s in tracks.user] == [(1.0, 2.0), (4.0, 4.4), (9.0, 12.0)]
    assert [(s.start / RATE, s.end / RATE) for s in tracks.agent] == [(2.4, 8.0)]
    assert [word.text for word in tracks.user_words] == ["What is the time?", "Mm-hm."]
    assert tracks.detectors == ("energy", "silero")
    assert tracks_of(reversed(TALK)) == tracks


def test_the_summary_is_that_of_the_dynamics() -> None:
    found = tracks_of(TALK).summary()
    assert (found.user_turns, found.agent_turns, found.user_backchannels, found.duration_s) == (2, 1, 1, 12.0)
    assert found.offsets.median_ms == pytest.approx(700)


def test_a_talk_in_ticks_has_the_panel_of_tau_voice() -> None:
    found = panel([events_of(ticks_of(tracks_of(TALK), 0.2))])
    assert found.response_latency_s == pytest.approx(0.4)
    assert (found.selectivity_backchannel, found.counts.yields) == (1.0, 0)


def test_a_talk_without_events_is_an_error() -> None:
    with pytest.raises(ValueError, match="no events"):
        tracks_of([])
