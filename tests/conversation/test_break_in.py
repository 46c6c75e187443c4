"""The user breaks into words that a full-duplex agent, or the host's voice beside it, was given to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.conversation.agent_side import AgentSide
from workbench.conversation.break_in import BreakIn
from workbench.conversation.conversation import Conversation
from workbench.engines.base import Stopped
from workbench.engines.classic.session import ClassicSession
from workbench.events import AgentStopped, AgentText, BargeIn, Event
from workbench.talk import Saying
from workbench.testing.asr import ScriptedAsr
from workbench.testing.duplex import DuplexEngine, DuplexSession
from workbench.testing.engines import EchoEngine
from workbench.testing.talks import TalkResult, pause, run_talk, spoken
from workbench.testing.tts import ToneTts

GIVEN = "one two three four five six seven eight nine ten eleven twelve"
Say = Callable[[Conversation], Saying]


class SayAt:
    """An observer that has something said at a frame of the talk."""

    def __init__(self, frame: int, say: Say) -> None:
        self._left = frame
        self._say = say
        self.conversation: Conversation | None = None
        self.saying: Saying | None = None

    def on_event(self, event: Event) -> None:
        """Only frames matter."""

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self._left -= 1
        if self._left == 0:
            assert self.conversation is not None
            self.saying = self._say(self.conversation)


async def broken_into(user_s: float, *, at_s: float = 1.5, host: bool = False, own: tuple[str, ...] = ()) -> tuple[TalkResult, Saying]:
    """A talk in which `GIVEN` is said from 0.8 s on (a word takes 0.24 s), and the user speaks for `user_s` at `at_s`."""
    act = SayAt(10, (lambda talk: talk.host_say(GIVEN)) if host else (lambda talk: talk.say(GIVEN)))

    def begin(conversation: Conversation) -> None:
        act.conversation = conversation

    result = await run_talk(
        np.concatenate([pause(at_s), spoken(user_s), pause(1.0)]),
        engines=[EchoEngine() if host and not own else DuplexEngine(own)],
        asr=ScriptedAsr(["wait a moment"]),
        host_tts=ToneTts() if host else None,
        tones=True,
        max_s=8.0,
        observers=[act],
        on_start=begin,
    )
    assert act.saying is not None
    return result, act.saying


def heard(result: TalkResult, *, forced: bool = True) -> list[str]:
    return "".join(piece.text for piece in result.of(AgentText) if piece.forced == forced).split()


@pytest.mark.parametrize("host", [False, True])
async def test_the_users_speech_stops_what_was_given_and_both_halves_are_kept(host: bool) -> None:
    result, saying = await broken_into(1.0, host=host)
    assert saying.done.is_set()
    assert saying.interrupted
    assert 0 < saying.words_heard < 12
    (stopped,) = result.of(AgentStopped)
    assert stopped.heard_text.split() == GIVEN.split()[: saying.words_heard] == heard(result)
    assert f"{stopped.heard_text} {stopped.cancelled_text}" == GIVEN
    (barge_in,) = [found for found in result.of(BargeIn) if found.cancelled_text]
    assert barge_in.heard_text == stopped.heard_text
    # 300 ms of speech, and a frame of 80 ms on each side.
    assert 300 <= (stopped.at_samples - barge_in.at_samples) / 24 <= 460


@pytest.mark.parametrize("host", [False, True])
async def test_a_backchannel_stops_nothing(host: bool) -> None:
    result, saying = await broken_into(0.24, host=host)
    assert (saying.interrupted, saying.words_heard, heard(result)) == (False, 12, GIVEN.split())
    assert result.of(AgentStopped) == []


async def test_speech_that_began_before_is_no_barge_in() -> None:
    _result, saying = await broken_into(1.5, at_s=0.3)
    assert (saying.interrupted, saying.words_heard) == (False, 12)


async def test_the_agents_own_words_are_its_own_affair() -> None:
    result, saying = await broken_into(1.0, host=True, own=("la",))
    assert saying.interrupted
    own = [piece.at_samples for piece in result.of(AgentText) if not piece.forced]
    (stopped,) = result.of(AgentStopped)
    assert [at for at in own if at > stopped.at_samples + 20 * FRAME_SAMPLES], "the host's voice was stopped, and not the agent"


async def test_what_was_stopped_is_quiet_for_a_while_and_then_goes_on_by_itself() -> None:
    result, _saying = await broken_into(1.0, own=("la",))
    (stopped,) = result.of(AgentStopped)
    own = [piece.at_samples for piece in result.of(AgentText) if not piece.forced and piece.at_samples > stopped.at_samples]
    assert 1_000 <= (own[0] - stopped.at_samples) / 24 <= 1_200


class Saying12:
    """As much of an `AgentSide` as is asked for: a full-duplex agent that has been saying something since 0."""

    capabilities = DuplexSession.capabilities
    saying_since = 0

    def stop_saying(self) -> Stopped:
        return Stopped("one", "two")


@pytest.mark.parametrize(("onset_ms", "stops"), [(500, False), (800, True)])
def test_an_onset_early_in_the_first_reply_may_be_an_echo(onset_ms: int, stops: bool) -> None:
    stopped: list[Stopped] = []
    break_in = BreakIn(cast(AgentSide, Saying12()), guard_ms=700, saying_min_ms=300, on_stopped=stopped.append)
    break_in.agent_began(0)
    break_in.user_edge("start", onset_ms * 24)
    for ms in range(onset_ms, onset_ms + 960, 80):
        break_in.listen(ms * 24, silence_ms=0)
    assert stopped == ([Stopped("one", "two")] if stops else [])


class Answering:
    """As much of an `AgentSide` as is asked for: a half-duplex agent in the middle of an answer."""

    capabilities = ClassicSession.capabilities

    def interrupt(self) -> Stopped:
        return Stopped("one", "two")


@pytest.mark.parametrize("guard_ms", [0, 700])
def test_an_onset_before_the_first_reply_is_no_echo(guard_ms: float) -> None:
    """Onsets are back-dated: one that is noticed just after the reply began may lie before it."""
    stopped: list[Stopped] = []
    break_in = BreakIn(cast(AgentSide, Answering()), guard_ms=guard_ms, saying_min_ms=300, on_stopped=stopped.append)
    break_in.agent_began(1_850 * 24)
    break_in.user_edge("start", 1_816 * 24)
    assert stopped == [Stopped("one", "two")]


def test_silence_that_no_edge_tells_yet_is_no_speech() -> None:
    stopped: list[Stopped] = []
    break_in = BreakIn(cast(AgentSide, Saying12()), guard_ms=0, saying_min_ms=300, on_stopped=stopped.append)
    break_in.user_edge("start", 24_000)
    break_in.listen(24_000 + 320 * 24, silence_ms=100)
    assert stopped == []
    break_in.listen(24_000 + 320 * 24, silence_ms=0)
    assert stopped == [Stopped("one", "two")]
