"""One talk's share of the classic engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from workbench.audio.frames import FRAME_SAMPLES, Pcm, ms_to_samples, samples_to_ms
from workbench.engines.base import AgentFrame, Capabilities, EngineSpec, Part, Stage, Stopped
from workbench.engines.classic.line import Line
from workbench.engines.classic.responder import Heard, Responder, ResponderError
from workbench.engines.classic.speech_queue import SpeechQueue
from workbench.engines.speech.base import Tts
from workbench.events import Speaker
from workbench.talk import Saying, Utterance

HISTORY_TURNS = 40
"""Turns that a session remembers; responders take as many of the latest as they can use."""


class _Reply:
    """The answer to one utterance, from the first thought of it."""

    def __init__(self, utterance: Utterance, asked_samples: int, turns: int) -> None:
        self.utterance_id = utterance.utterance_id
        self.words = normal_words(utterance.text)
        self.turns = turns
        """Turns of the talk that it knows of."""
        self.asked_samples = asked_samples
        self.line = Line()
        self.task: asyncio.Task[None] | None = None
        self.responder_ms: float | None = None
        self.adopted = False
        """The user's turn has really ended with this utterance; until then the reply is a guess that nobody hears."""
        self.error: ResponderError | None = None


class ClassicSession:
    """Answers finished utterances: responder, synthesiser, playout. Implements `EngineSession`.

    Answers and sayings are spoken in the order in which they were asked for. `prepare` lets the responder and the voice work ahead
    on a guess; the guess is used when the final words are the same and nothing was said in between, else it is dropped.
    """

    capabilities = Capabilities(full_duplex=False, can_say=True, can_interrupt=True, can_hold=True, takes_text=True)

    def __init__(self, spec: EngineSpec, responder: Responder, tts: Tts, voice: str | None, *, on_close: Callable[[], None]) -> None:
        self.parts: Mapping[str, Part] = {"tts": Part(tts.name, tts.why), "responder": Part(responder.name, responder.why)}
        self.notices: list[str] = []
        self.stages: list[Stage] = []
        """Told when an answer begins to be heard. A prepared answer counts from its preparation: both may be over before the turn is."""
        self.history: list[Heard] = []
        """The user's utterances that were answered, and the agent's words that were heard, the latest `HISTORY_TURNS`."""
        self.guesses_used = 0
        self.guesses_dropped = 0
        self._clock = spec.clock
        self._responder = responder
        self._queue = SpeechQueue(
            spec.clock, tts, voice, on_start=self._line_started, on_end=self._line_ended, on_notice=self.notices.append
        )
        self._guess: _Reply | None = None
        self._replies: list[_Reply] = []
        """Adopted and not yet said to the end."""
        self._turns = 0
        self._held_until = 0
        self._on_close: Callable[[], None] | None = on_close

    @property
    def underruns(self) -> int:
        """How often the voice was late in the middle of a clause."""
        return self._queue.underruns

    async def step(self, user: Pcm) -> AgentFrame:
        now = self._clock.now_samples
        return self._queue.take(now // FRAME_SAMPLES * FRAME_SAMPLES, held=now < self._held_until)

    def prepare(self, utterance: Utterance) -> None:
        if self._guess is not None:
            if self._fits(self._guess, utterance):
                return
            self._drop_guess()
        self._guess = self._think(utterance)
        self._queue.stand_by(self._guess.line)

    def answer(self, utterance: Utterance) -> None:
        self._held_until = 0
        reply = self._guess
        if reply is not None and self._fits(reply, utterance):
            self._guess = None
            self.guesses_used += 1
            reply.utterance_id = utterance.utterance_id
        else:
            self._drop_guess()
            reply = self._think(utterance)
        reply.adopted = True
        if reply.error is not None:
            self.notices.append(str(reply.error))
        self._remember("user", utterance.text)
        self._replies.append(reply)
        self._queue.add(reply.line)

    def took(self, utterance: Utterance) -> None:
        self._drop_guess()
        self._remember("user", utterance.text)

    def say(self, text: str) -> Saying:
        self._held_until = 0
        self._drop_guess()
        return self._queue.say(text)

    def interrupt(self) -> Stopped:
        self._drop_guess()
        for reply in self._replies:
            _cancel(reply)
        return self._queue.stop()

    def hold(self, max_ms: float) -> None:
        """What is being said goes on to the end of its clause; nothing else begins."""
        self._held_until = self._clock.now_samples + ms_to_samples(max_ms)

    def tell_account(self, text: str) -> None:
        """Its responder has heard all of it."""

    async def close(self) -> None:
        self.interrupt()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def _fits(self, guess: _Reply, utterance: Utterance) -> bool:
        return guess.words == normal_words(utterance.text) and guess.turns == self._turns

    def _think(self, utterance: Utterance) -> _Reply:
        reply = _Reply(utterance, self._clock.now_samples, self._turns)
        reply.task = self._clock.spawn(self._find_words(reply, utterance.text, tuple(self.history)), "responder")
        return reply

    async def _find_words(self, reply: _Reply, text: str, history: tuple[Heard, ...]) -> None:
        try:
            async for clause in self._clock.charged_each("responder", self._responder.respond(text, history)):
                if reply.responder_ms is None:
                    reply.responder_ms = samples_to_ms(self._clock.now_samples - reply.asked_samples)
                reply.line.extend(clause)
                self._queue.refresh()
        except ResponderError as error:
            reply.error = error
            reply.line.extend(error.spoken)
            if reply.adopted:
                self.notices.append(str(error))
        finally:
            reply.line.closed = True
            self._queue.refresh()

    def _drop_guess(self) -> None:
        if self._guess is not None:
            _cancel(self._guess)
            self._guess = None
            self.guesses_dropped += 1
            self._queue.stand_by(None)

    def _line_started(self, line: Line) -> None:
        for reply in self._replies:
            if reply.line is line:
                if reply.responder_ms is not None:
                    self.stages.append(Stage(reply.utterance_id, "responder", reply.responder_ms))
                if line.sound_ms is not None:
                    self.stages.append(Stage(reply.utterance_id, "tts", line.sound_ms))

    def _line_ended(self, line: Line) -> None:
        self._replies = [reply for reply in self._replies if reply.line is not line]
        self._remember("agent", line.heard_text)

    def _remember(self, speaker: Speaker, text: str) -> None:
        if text:
            self._turns += 1
            self.history = [*self.history, (speaker, text)][-HISTORY_TURNS:]


def normal_words(text: str) -> list[str]:
    """The words of `text` without case and punctuation: two transcripts with equal words ask for the same answer."""
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold())


def _cancel(reply: _Reply) -> None:
    if reply.task is not None:
        reply.task.cancel()
