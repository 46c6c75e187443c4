"""A voice of the host's own, beside the engine: speaks tool results where the engine cannot, and typed text into the user stem."""

from __future__ import annotations

from collections.abc import Callable

from workbench.audio.frames import FRAME_SAMPLES
from workbench.clock import SessionClock
from workbench.engines.base import AgentFrame, Stopped
from workbench.engines.classic.line import Line
from workbench.engines.classic.speech_queue import SpeechQueue
from workbench.engines.speech.base import Tts
from workbench.talk import Saying


class HostVoice:
    """Says texts one after the other, an 80 ms frame at a time."""

    def __init__(self, clock: SessionClock, tts: Tts, voice: str | None, *, on_notice: Callable[[str], None]) -> None:
        self._clock = clock
        self._waiting = 0
        self._queue = SpeechQueue(clock, tts, voice, on_start=lambda _line: None, on_end=self._ended, on_notice=on_notice)

    @property
    def active(self) -> bool:
        """It speaks, or has something to say."""
        return self._waiting > 0

    def say(self, text: str) -> Saying:
        self._waiting += 1
        return self._queue.say(text)

    def take(self) -> AgentFrame:
        """The next frame [1920], silence while the words are still being made."""
        return self._queue.take(self._clock.now_samples // FRAME_SAMPLES * FRAME_SAMPLES)

    def stop(self) -> Stopped:
        return self._queue.stop()

    def _ended(self, line: Line) -> None:
        self._waiting -= 1
