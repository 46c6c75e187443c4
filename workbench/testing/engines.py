"""Fake engines: one that echoes, one that says a script. Both are real `Engine`s, usable in talks, tests and load runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.engines.base import (
    AgentFrame,
    Availability,
    Capabilities,
    EngineError,
    EngineSession,
    EngineSpec,
    Part,
    Stage,
    Stopped,
    TextPiece,
)
from workbench.talk import Saying, Utterance

WORD_FRAMES = 3
"""A scripted word lasts three frames: two of tone and one of silence would chop it, so the tone fills all but the last 40 ms."""
TONE_HZ = 330.0


def word_tone(frames: int = WORD_FRAMES) -> Pcm:
    """The sound of one scripted word: a quiet sine with faded ends, then 40 ms of silence. Shape [frames x 1920]."""
    tone = FRAME_SAMPLES * frames - FRAME_SAMPLES // 2
    wave = 0.2 * np.sin(2 * np.pi * TONE_HZ * np.arange(tone) / SAMPLE_RATE)
    fade = np.minimum(1.0, np.minimum(np.arange(tone), np.arange(tone)[::-1]) / 120)
    sound: Pcm = np.concatenate([wave * fade, np.zeros(FRAME_SAMPLES // 2)]).astype(np.float32)
    return sound


class EchoSession:
    """Gives every user frame back, one frame later on session time. Full duplex, says nothing of its own."""

    capabilities = Capabilities(full_duplex=True, can_say=False, can_interrupt=False, can_hold=False, takes_text=False)
    parts: Mapping[str, Part]

    def __init__(self) -> None:
        self.parts = {}
        self.notices: list[str] = []
        self.stages: list[Stage] = []

    async def step(self, user: Pcm) -> AgentFrame:
        return AgentFrame(user)

    def prepare(self, utterance: Utterance) -> None:
        """An echo needs no preparation."""

    def answer(self, utterance: Utterance) -> None:
        """An echo has already answered."""

    def took(self, utterance: Utterance) -> None:
        """An echo remembers nothing."""

    def say(self, text: str) -> Saying:
        raise EngineError("The echo engine cannot say words.")

    def interrupt(self) -> Stopped:
        raise EngineError("The echo engine cannot be interrupted.")

    def hold(self, max_ms: float) -> None:
        raise EngineError("The echo engine cannot hold.")

    def tell_account(self, text: str) -> None:
        """An echo remembers nothing."""

    async def close(self) -> None:
        """Nothing to give back."""


class EchoEngine:
    """An engine whose agent is the user."""

    name = "echo"

    async def probe(self) -> Availability:
        return Availability("ready", "Echoes in this process.")

    async def open(self, spec: EngineSpec) -> EngineSession:
        return EchoSession()


class ScriptedSession:
    """Half duplex: answers the n-th utterance with the n-th line, one tone per word."""

    capabilities = Capabilities(full_duplex=False, can_say=True, can_interrupt=True, can_hold=True, takes_text=True)

    def __init__(self, spec: EngineSpec, lines: Sequence[str]) -> None:
        self.parts: Mapping[str, Part] = {"tts": Part("tone", "A scripted engine speaks in tones.")}
        self.notices: list[str] = []
        self.stages: list[Stage] = []
        self.heard: list[Utterance] = []
        self._clock = spec.clock
        self._lines = deque(lines)
        self._queue: deque[tuple[str, Saying, bool]] = deque()
        self._sound: deque[Pcm] = deque()
        self._said: list[str] = []

    async def step(self, user: Pcm) -> AgentFrame:
        pieces: tuple[TextPiece, ...] = ()
        if not self._sound and self._queue:
            word, saying, forced = self._queue.popleft()
            self._sound.extend(np.split(word_tone(), WORD_FRAMES))
            saying.words_heard += 1
            if saying.started_samples is None:
                saying.started_samples = self._clock.now_samples
            if saying.words_heard == saying.words_asked:
                saying.done.set()
            self._said.append(word)
            pieces = (TextPiece(word + " ", forced),)
        return AgentFrame(self._sound.popleft() if self._sound else silence(), pieces)

    def prepare(self, utterance: Utterance) -> None:
        """A script is always ready."""

    def answer(self, utterance: Utterance) -> None:
        self.heard.append(utterance)
        if self._lines:
            self.enqueue(self._lines.popleft(), forced=False)

    def took(self, utterance: Utterance) -> None:
        """A script goes on as written."""

    def say(self, text: str) -> Saying:
        return self.enqueue(text, forced=True)

    def enqueue(self, text: str, *, forced: bool) -> Saying:
        """Says `text` after all that waits."""
        words = text.split()
        saying = Saying(text=text, done=self._clock.signal(), words_asked=len(words))
        self._queue.extend((word, saying, forced) for word in words)
        return saying

    @property
    def busy(self) -> bool:
        """It speaks, or has something to say."""
        return bool(self._queue or self._sound)

    def interrupt(self) -> Stopped:
        heard, cancelled = " ".join(self._said), " ".join(word for word, *_ in self._queue)
        sounding = self.busy
        for _word, saying, _forced in self._queue:
            saying.interrupted = True
            saying.done.set()
        self._queue.clear()
        self._sound.clear()
        self._said.clear()
        return Stopped(heard, cancelled) if sounding else Stopped()

    def hold(self, max_ms: float) -> None:
        """A script says nothing by itself."""

    def tell_account(self, text: str) -> None:
        """A script goes on as written."""

    async def close(self) -> None:
        self.interrupt()


class ScriptedEngine:
    """An engine that says the same lines in every talk."""

    name = "scripted"

    def __init__(self, lines: Sequence[str] = ("Hello there.", "I see.", "Goodbye.")) -> None:
        self._lines = lines

    async def probe(self) -> Availability:
        return Availability("ready", "Says its script in this process.")

    async def open(self, spec: EngineSpec) -> EngineSession:
        return ScriptedSession(spec, self._lines)


class DyingEngine:
    """A scripted engine whose session raises EngineError after `frames` frames."""

    name = "dying"

    def __init__(self, frames: int, lines: Sequence[str] = ("I will be cut off.",)) -> None:
        self._frames = frames
        self._lines = lines

    async def probe(self) -> Availability:
        return Availability("ready", "Will die on purpose.")

    async def open(self, spec: EngineSpec) -> EngineSession:
        session = ScriptedSession(spec, self._lines)
        alive, left = session.step, [self._frames]

        async def step(user: Pcm) -> AgentFrame:
            if left[0] == 0:
                raise EngineError("The dying engine died, as asked.")
            left[0] -= 1
            return await alive(user)

        session.step = step  # type: ignore[method-assign]  # the fake's one trick
        return session
