"""The playout buffer of the classic engine: texts in, 80 ms frames out, and an exact account of what was heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, ms_to_samples, samples_to_ms, silence
from workbench.clock import SessionClock
from workbench.engines.base import AgentFrame, Stopped, TextPiece
from workbench.engines.classic.line import Clause, Line
from workbench.engines.speech.base import SpeechError, Tts
from workbench.talk import Saying

FADE_SAMPLES = ms_to_samples(10)
"""A cut-off sound fades over this long, so that it does not click."""
AHEAD_SAMPLES = 3 * SAMPLE_RATE
"""The next clause is synthesised while less than this is waiting to be played: what is interrupted was not all made in vain."""
SAMPLES_PER_CHAR = SAMPLE_RATE / 15
"""First guess of the pace of speech: 15 characters a second. The voice's own pace replaces it after its first clause."""


class SpeechQueue:
    """Says lines one after the other in one voice. One synthesis runs at a time; `take` never waits for it.

    `on_start(line)` is called when a line's first word begins to be heard, `on_end(line)` once for every line that was added: when
    it is out, cut off, or cannot be spoken (`on_notice` then says why).
    """

    def __init__(
        self,
        clock: SessionClock,
        tts: Tts,
        voice: str | None,
        *,
        on_start: Callable[[Line], None],
        on_end: Callable[[Line], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self.underruns = 0
        """How often a clause had begun and its next sound was not there in time."""
        self._clock = clock
        self._tts = tts
        self._voice = voice
        self._on_start = on_start
        self._on_end = on_end
        self._on_notice = on_notice
        self._lines: deque[Line] = deque()
        self._standby: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._making: Line | None = None
        """The line that `_task` works for."""
        self._fade = silence(0)
        self._starved = False
        self._samples_per_char = SAMPLES_PER_CHAR

    def add(self, line: Line) -> None:
        """Says `line` after all that is queued. A line on standby is taken as it is."""
        if line is self._standby:
            self._standby = None
        self._lines.append(line)
        self.refresh()

    def say(self, text: str) -> Saying:
        """Says `text`, as words put into the agent's mouth, after all that is queued."""
        line = Line(text, forced=True)
        line.closed = True
        line.saying = Saying(text, self._clock.signal(), words_asked=line.words)
        self.add(line)
        return line.saying

    def stand_by(self, line: Line | None) -> None:
        """Makes the first clause of `line` ready without saying it; None drops the line that stood by."""
        if self._standby is not None and self._standby is self._making:
            self._cancel()
        self._standby = line
        self.refresh()

    def refresh(self) -> None:
        """Starts the next synthesis if one is due. To be called after a line was extended."""
        if self._task is None and (due := self._due()) is not None:
            line, clause = due
            clause.requested = True
            self._making = line
            self._task = self._clock.spawn(self._synthesise(line, clause), "tts")

    def take(self, start_samples: int, *, held: bool = False) -> AgentFrame:
        """The frame that is heard from `start_samples` of session time on. While `held` no further clause begins."""
        pcm = silence()
        filled = len(self._fade)
        pcm[:filled] = self._fade
        self._fade = silence(0)
        pieces: list[TextPiece] = []
        while filled < FRAME_SAMPLES and (next_up := self._next_up(held)) is not None:
            line, clause = next_up
            sound, began = clause.take(FRAME_SAMPLES - filled, self._samples_per_char)
            pcm[filled : filled + len(sound)] = sound
            for word, offset in began:
                pieces.append(TextPiece(f" {word}", line.forced, filled + offset))
                self._account(line, start_samples + filled + offset)
            filled += len(sound)
            starved = not clause.complete and filled < FRAME_SAMPLES
            self.underruns += starved and not self._starved
            self._starved = starved
            if starved:
                break
        self._end_finished()
        self.refresh()
        return AgentFrame(pcm, tuple(pieces))

    def stop(self) -> Stopped:
        """Falls silent within 10 ms and drops everything, also what stood by. A word whose sound has begun counts as heard."""
        self._cancel()
        self._standby = None
        self._starved = False
        lines = list(self._lines)
        self._lines.clear()
        if not lines:
            return Stopped()
        playing = lines[0].playing
        if playing is not None and playing.begun:
            self._fade = _faded(playing.peek(FADE_SAMPLES))
        stopped = Stopped(lines[0].heard_text, " ".join(line.unheard_text for line in lines if line.unheard_text))
        for line in lines:
            line.closed = True
            if line.saying is not None:
                line.saying.interrupted = True
            self._ended(line)
        return stopped

    def _due(self) -> tuple[Line, Clause] | None:
        ahead = 0
        for line in self._lines:
            for clause in line.clauses:
                if not clause.requested:
                    return (line, clause) if ahead < AHEAD_SAMPLES else None
                ahead += clause.waiting
        if self._standby is not None and self._standby.clauses and not self._standby.clauses[0].requested:
            return self._standby, self._standby.clauses[0]
        return None

    async def _synthesise(self, line: Line, clause: Clause) -> None:
        asked = self._clock.now_samples
        try:
            async for chunk in self._clock.charged_each("tts", self._tts.stream(clause.text, self._voice)):
                if line.sound_ms is None:
                    line.sound_ms = samples_to_ms(self._clock.now_samples - asked)
                clause.feed(chunk)
        except SpeechError as error:
            line.fail()
            self._on_notice(f"The reply could not be spoken: {error}")
        finally:
            clause.complete = True
            self._samples_per_char = clause.samples_per_char or self._samples_per_char
            if self._task is asyncio.current_task():
                self._task = self._making = None
                self.refresh()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = self._making = None

    def _next_up(self, held: bool) -> tuple[Line, Clause] | None:
        self._end_finished()
        if not self._lines:
            return None
        clause = self._lines[0].playing
        if clause is None or (not clause.begun and (held or clause.waiting == 0)):
            return None
        return self._lines[0], clause

    def _end_finished(self) -> None:
        while self._lines and self._lines[0].closed and self._lines[0].playing is None:
            self._ended(self._lines.popleft())

    def _account(self, line: Line, at_samples: int) -> None:
        if line.saying is not None:
            line.saying.words_heard += 1
            if line.saying.started_samples is None:
                line.saying.started_samples = at_samples
        if line.words_heard == 1:
            self._on_start(line)

    def _ended(self, line: Line) -> None:
        if line.saying is not None:
            line.saying.done.set()
        self._on_end(line)


def _faded(pcm: Pcm) -> Pcm:
    return pcm * np.linspace(1.0, 0.0, len(pcm), endpoint=False, dtype=np.float32)
