"""Turns, barge-ins and backchannels out of edges and words, as they come in a live talk."""

from __future__ import annotations

from typing import Any

from workbench.conversation.turn_tracker import TurnTracker
from workbench.events import AgentText, Backchannel, BargeIn, Event, Speaker, TurnEnded, UserText

RATE = 24_000


class Talk:
    """A tracker fed in seconds, and what it published."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0
        self.tracker = TurnTracker(self._publish)

    def _publish(self, event: type[Event], /, **fields: Any) -> None:
        self.events.append(event(noticed_samples=self.now, **fields))

    def speech(self, speaker: Speaker, start: float, stop: float | None = None) -> None:
        self.tracker.edge(speaker, "start", round(start * RATE))
        if stop is not None:
            self.stop(speaker, stop)

    def stop(self, speaker: Speaker, stop: float) -> None:
        self.tracker.edge(speaker, "stop", round(stop * RATE))

    def user_says(self, at: float, text: str) -> None:
        start = round(at * RATE)
        self.tracker.words(
            UserText(
                at_samples=start, noticed_samples=start, utterance_id=f"u{at}", text=text, final=True, start_samples=start, source="asr"
            )
        )

    def agent_says(self, at: float, piece: str) -> None:
        self.tracker.words(AgentText(at_samples=round(at * RATE), noticed_samples=round(at * RATE), text=piece))

    def settle(self, now: float, *, closing: bool = False) -> None:
        self.now = round(now * RATE)
        self.tracker.settle(self.now, closing=closing)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def test_an_acknowledgement_within_the_agents_speech_is_a_backchannel_and_its_words_are_in_no_turn() -> None:
    talk = Talk()
    talk.speech("agent", 1.0)
    talk.agent_says(1.0, "Paris is the capital.")
    talk.speech("user", 2.0, 2.4)
    talk.user_says(2.0, "Mm-hm.")
    talk.stop("agent", 5.0)
    talk.speech("user", 5.6, 7.0)
    talk.user_says(5.6, "And of Spain?")
    talk.settle(12.0)
    (heard,) = talk.of(Backchannel)
    assert (heard.speaker, heard.text, heard.duration_ms, heard.at_samples) == ("user", "Mm-hm.", 400.0, 2 * RATE)
    assert [(turn.speaker, turn.text) for turn in talk.of(TurnEnded)] == [("agent", "Paris is the capital."), ("user", "And of Spain?")]
    assert [found.outcome for found in talk.of(BargeIn)] == ["censored"]


def test_the_agents_own_pieces_make_a_backchannel_too() -> None:
    talk = Talk()
    talk.speech("user", 1.0)
    talk.user_says(1.0, "So I went there and waited")
    talk.speech("agent", 2.0, 2.5)
    talk.agent_says(2.0, " Uh")
    talk.agent_says(2.2, "-huh")
    talk.stop("user", 6.0)
    talk.settle(10.0)
    (heard,) = talk.of(Backchannel)
    assert (heard.speaker, heard.text) == ("agent", "Uh-huh")
    assert [turn.speaker for turn in talk.of(TurnEnded)] == ["user"]


def test_words_go_to_the_speech_that_is_nearest() -> None:
    """The turn that follows an acknowledgement at once keeps its own words."""
    talk = Talk()
    talk.speech("agent", 1.0)
    talk.speech("user", 2.0, 2.4)
    talk.user_says(2.0, "Yeah.")
    talk.stop("agent", 2.5)
    talk.speech("user", 2.65, 4.0)
    talk.user_says(2.65, "And what about Spain?")
    talk.settle(9.0)
    assert [heard.text for heard in talk.of(Backchannel)] == ["Yeah."]
    assert [turn.text for turn in talk.of(TurnEnded) if turn.speaker == "user"] == ["And what about Spain?"]


def test_a_short_command_over_the_agent_is_no_backchannel() -> None:
    talk = Talk()
    talk.speech("agent", 1.0)
    talk.speech("user", 2.0, 2.4)
    talk.user_says(2.0, "Stop!")
    talk.stop("agent", 5.0)
    talk.settle(10.0)
    assert not talk.of(Backchannel)
    assert len(talk.of(BargeIn)) == 1


def test_one_that_nobody_transcribed_still_counts_by_its_length() -> None:
    talk = Talk()
    talk.speech("agent", 1.0)
    talk.speech("user", 2.0, 2.4)
    talk.speech("user", 3.0, 4.2)
    talk.stop("agent", 6.0)
    talk.settle(7.0, closing=True)
    assert [(heard.text, heard.at_samples) for heard in talk.of(Backchannel)] == [("", 2 * RATE)]
    assert [turn.speaker for turn in talk.of(TurnEnded)] == ["agent", "user"]


def test_a_stop_that_follows_the_user_is_a_barge_in_and_no_backchannel() -> None:
    talk = Talk()
    talk.speech("agent", 1.0)
    talk.speech("user", 2.0)
    talk.stop("agent", 2.3)
    talk.stop("user", 2.6)
    talk.user_says(2.0, "Yeah.")
    talk.settle(9.0)
    assert not talk.of(Backchannel)
    assert [(found.outcome, found.stop_latency_ms) for found in talk.of(BargeIn)] == [("yielded", 300.0)]
