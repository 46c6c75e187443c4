"""How faithfully a result was said: what our own recogniser understands of the agent's sound, beside the words asked for.

It is measured after the delivery and beside the talk: nothing waits for it, and where nobody could listen it stays unknown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import jiwer
import numpy as np

from workbench.audio.frames import Pcm, ms_to_samples, silence
from workbench.bridge.delivery import Delivered
from workbench.bridge.numbers import MAX_DIGITS, say_number
from workbench.bridge.tasks import Tasks
from workbench.bridge.words import tokens
from workbench.clock import Signal
from workbench.events import Event, FidelityMeasured
from workbench.talk import Talk

LEAD_MS = 200.0
"""Heard before the first audible sample, as recognisers want it."""
TAIL_FRAMES = 4
"""Heard after the delivery: its last word may still sound when the engine counts it as out."""
LONGEST_FRAMES = 750
"""60 s. Two sentences take some 15 s; of what takes longer the rest is not kept."""
FINISH_S = 1.0
"""How long the end of a talk waits for a measurement that is under way."""

_SIGNS = {"%": "percent", "-": "minus", "+": "plus"}


class Hearer(Protocol):
    """Whoever can write down what an agent said."""

    name: str

    async def transcribe(self, pcm: Pcm) -> str | None:
        """The words of `pcm` [n] float32 at 24 kHz; None when nobody could listen."""
        ...


def word_error_rate(reference: str, transcript: str) -> float | None:
    """Word errors per word of `reference`, 0 or more; None for a reference without words. Case, punctuation and contractions make no
    difference, and numbers are the words they are said with: "84" is "eighty four"."""
    asked = spoken_words(reference)
    return float(jiwer.wer(" ".join(asked), " ".join(spoken_words(transcript)))) if asked else None


def spoken_words(text: str) -> list[str]:
    """The words of `text` as they are said and compared: lower case, no punctuation, contractions written out, numbers in words."""
    return [word for token in tokens(text) for word in _said(token)]


def _said(token: str) -> list[str]:
    if token[0].isdigit():
        return say_number(Fraction(token)).split() if len(token) < MAX_DIGITS else list(token)
    if token[0].isalpha():
        return [token]
    return [_SIGNS[token]] if token in _SIGNS else []


@dataclass(slots=True)
class Listening:
    """The agent's sound of one delivery."""

    complete: Signal
    frames: list[tuple[int, Pcm]] = field(default_factory=list)
    """Session time of each frame, and its sound."""
    left: int | None = None
    """Frames that are still to be heard; None while the delivery goes on."""

    def cut(self, since_samples: int) -> Pcm:
        """The sound from `since_samples` of session time on."""
        if not self.frames:
            return silence(0)
        return np.concatenate([pcm for _start, pcm in self.frames])[max(0, since_samples - self.frames[0][0]) :]


class Fidelity:
    """An observer of one talk that listens to the agent while results are delivered."""

    def __init__(self, talk: Talk, tasks: Tasks, hearer: Hearer | None) -> None:
        self._talk = talk
        self._tasks = tasks
        self._hearer = hearer
        self._open: list[Listening] = []
        self._measuring: set[asyncio.Task[None]] = set()

    def listen(self) -> Listening | None:
        """From now on the agent is listened to, until `measure` is called; None when nobody can."""
        if self._hearer is None:
            return None
        self._open.append(Listening(self._talk.clock.signal()))
        return self._open[-1]

    def measure(self, listening: Listening | None, invocation_id: str, tool: str, text: str, delivered: Delivered) -> None:
        """The delivery of `text` is over: its sound is written down and compared beside the talk. A delivery that the end of the talk
        cut off is not measured."""
        if listening is None or self._hearer is None or listening not in self._open:
            return
        reference = " ".join(text.split()[: delivered.words_heard] if delivered.interrupted else text.split())
        if delivered.started_samples is None or not reference or not listening.frames:
            self._open.remove(listening)
            return
        listening.left = TAIL_FRAMES
        work = self._measured(self._hearer, listening, invocation_id, tool, reference, delivered.started_samples)
        task = self._tasks.spawn(work, "fidelity")
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)

    def on_event(self, event: Event) -> None:
        """Only the sound matters."""

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Keeps the agent's frame for every delivery that goes on."""
        for listening in tuple(self._open):
            if len(listening.frames) < LONGEST_FRAMES:
                listening.frames.append((start_samples, agent.copy()))
            if listening.left is not None:
                listening.left -= 1
                if listening.left == 0:
                    self._close(listening)

    async def finish(self) -> None:
        """The talk ends: what is under way is waited for a little, with the sound that there is."""
        for listening in tuple(self._open):
            self._close(listening)
        if self._measuring:
            await asyncio.wait(tuple(self._measuring), timeout=FINISH_S)

    def _close(self, listening: Listening) -> None:
        self._open.remove(listening)
        listening.complete.set()

    async def _measured(
        self, hearer: Hearer, listening: Listening, invocation_id: str, tool: str, reference: str, started_samples: int
    ) -> None:
        await listening.complete.wait()
        transcript = await hearer.transcribe(listening.cut(started_samples - ms_to_samples(LEAD_MS)))
        wer = None if transcript is None else word_error_rate(reference, transcript)
        if transcript is None or wer is None:
            return
        self._talk.publish(
            FidelityMeasured,
            at_samples=started_samples,
            invocation_id=invocation_id,
            tool=tool,
            wer=wer,
            reference=reference,
            transcript=transcript,
            recogniser=hearer.name,
        )
