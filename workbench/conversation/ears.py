"""The talk's ears on the user: speech edges, words, and the end of the turn. One transcription per utterance, for every engine."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from workbench.audio.frames import LISTEN_RATE, SAMPLE_RATE, SAMPLES_PER_MS, Pcm
from workbench.audio.resample import StreamResampler
from workbench.audio.vad import Detector
from workbench.clock import SessionClock
from workbench.conversation.turn_policy import TurnPolicy
from workbench.engines.speech.base import AsrSession, SpeechError, Transcript
from workbench.events import Event, Notice, StageTiming, UserSpeech, UserText
from workbench.talk import Utterance

log = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)

PRE_ROLL_SAMPLES = LISTEN_RATE * 320 // 1_000
"""Sound before the detected onset that the recogniser gets too, at 16 kHz: detectors notice speech some 110 ms late."""
TURN_WINDOW_SAMPLES = LISTEN_RATE * 8
"""What the end-of-turn model looks at: the last 8 s."""
MAX_BACKLOG_CHUNKS = 375
"""30 s of sound that the recogniser has not accepted yet; beyond it the oldest is dropped and said so."""
MIN_SPEECH_MS = 500.0
"""Speech shorter than this in which no word was understood is taken for noise and answered by nobody."""


class EndOfTurnModel(Protocol):
    """Gives the probability that the user has finished, from [n] float32 at 16 kHz, n up to 8 s."""

    async def score(self, pcm_16k: Pcm) -> float: ...


class Publish(Protocol):
    """How the ears publish: `Talk.publish`."""

    def __call__(self, event: type[E], /, *, at_samples: int | None = None, **fields: Any) -> E: ...


@dataclass(slots=True)
class _Pause:
    """A silence inside an open utterance."""

    began: int
    scores: list[float] = field(default_factory=list)
    asked: int = 0
    decoding: bool = False
    transcript: Transcript | None = None


@dataclass(slots=True)
class _Open:
    """An utterance that is not finished yet."""

    utterance_id: str
    start: int
    parts: list[str] = field(default_factory=list)
    pause: _Pause | None = None
    partial: str = ""
    asr_ms: float = 0.0


class Ears:
    """Takes every user frame of the talk; tells the talk when the user starts, has probably finished, and has finished."""

    def __init__(
        self,
        *,
        clock: SessionClock,
        detector: Detector,
        asr: AsrSession,
        recogniser: str,
        end_of_turn: EndOfTurnModel | None,
        policy: TurnPolicy,
        publish: Publish,
        on_speech: Callable[[Literal["start", "stop"], int], None],
        on_probable_end: Callable[[Utterance], None],
        on_utterance: Callable[[Utterance], None],
    ) -> None:
        self._clock = clock
        self._detector = detector
        self._asr = asr
        self._recogniser = recogniser
        self._model = end_of_turn
        self._policy = policy if end_of_turn is not None or policy.fixed_hold_ms is not None else TurnPolicy(fixed_hold_ms=500.0)
        self._publish = publish
        self._on_speech = on_speech
        self._on_probable_end = on_probable_end
        self._on_utterance = on_utterance
        self._to_16k = StreamResampler(SAMPLE_RATE, LISTEN_RATE)
        self._recent: deque[Pcm] = deque()
        self._recent_samples = 0
        self._unfed: deque[Pcm] = deque()
        self._backlog: deque[Pcm | _Pause] = deque()
        self._draining = False
        self._open: _Open | None = None
        self.speaking = False

    def hear(self, pcm: Pcm) -> None:
        """One user frame [1920] at 24 kHz, in order, one per tick."""
        pcm_16k = self._to_16k.push(pcm)
        self._remember(pcm_16k)
        for edge in self._detector.push(pcm_16k):
            at_samples = round(edge.at * SAMPLE_RATE / LISTEN_RATE)
            self.speaking = edge.edge == "start"
            if self.speaking and self._open is None:
                self._open = _Open(utterance_id=uuid.uuid4().hex, start=at_samples)
            self._publish(UserSpeech, at_samples=at_samples, edge=edge.edge, detector=self._detector.name)
            self._on_speech(edge.edge, at_samples)
        if self._open is not None:
            self._follow(self._open)
        else:
            self._keep_pre_roll()

    def _remember(self, pcm_16k: Pcm) -> None:
        self._unfed.append(pcm_16k)
        self._recent.append(pcm_16k)
        self._recent_samples += pcm_16k.size
        while self._recent_samples - self._recent[0].size >= TURN_WINDOW_SAMPLES:
            self._recent_samples -= self._recent.popleft().size

    def _keep_pre_roll(self) -> None:
        while sum(chunk.size for chunk in self._unfed) - self._unfed[0].size >= PRE_ROLL_SAMPLES:
            self._unfed.popleft()

    @property
    def silence_ms(self) -> float:
        """How long the user has been silent, as the detector hears it; 0 while they speak."""
        return self._detector.silence_samples * 1_000 / LISTEN_RATE

    def _follow(self, open_: _Open) -> None:
        """An utterance is open: pass its sound on, and watch its silences."""
        silence_ms = self.silence_ms
        pause = open_.pause
        if silence_ms == 0:
            if pause is not None:
                # The user goes on. Words decoded in the meantime are the utterance's first part.
                if pause.transcript is not None:
                    open_.parts.append(pause.transcript.text)
                open_.pause = pause = None
        elif pause is None:
            pause = open_.pause = _Pause(began=self._clock.now_samples - round(silence_ms * SAMPLES_PER_MS))
        if pause is None or not pause.decoding:
            self._backlog.extend(self._unfed)
            self._unfed.clear()
        else:
            # What follows belongs to the next part, if there is one; else it is the next utterance's pre-roll.
            self._keep_pre_roll()
        if pause is not None:
            if self._model is not None and self._policy.next_check(pause.asked, silence_ms):
                pause.asked += 1
                self._clock.spawn(self._score(self._model, open_, pause), "end-of-turn")
            if not pause.decoding and silence_ms >= self._policy.decode_after_ms:
                pause.decoding = True
                self._backlog.append(pause)
        self._drain()
        self._maybe_finish(open_)

    async def _score(self, model: EndOfTurnModel, open_: _Open, pause: _Pause) -> None:
        score, _ms = await self._clock.charged("end_of_turn", model.score(np.concatenate(self._recent)))
        pause.scores.append(score)
        self._maybe_finish(open_)

    def _drain(self) -> None:
        dropped = 0
        while len(self._backlog) > MAX_BACKLOG_CHUNKS:
            # Only sound can pile up; a pause is answered before the next one is queued.
            self._backlog.popleft()
            dropped += 1
        if dropped:
            self._publish(
                Notice,
                level="warning",
                code="asr_backlog",
                message=f"The recogniser {self._recogniser} is too slow: {dropped} chunks of speech were dropped.",
                repair="Close other talks, or choose a lighter recogniser with WORKBENCH_ASR.",
            )
        if self._backlog and not self._draining and self._open is not None:
            self._draining = True
            self._clock.spawn(self._feed(self._open), "asr")

    async def _feed(self, open_: _Open) -> None:
        try:
            while self._backlog:
                item = self._backlog.popleft()
                if isinstance(item, _Pause):
                    transcript, asr_ms = await self._clock.charged("asr", self._asr.finish())
                    item.transcript = transcript
                    open_.asr_ms += asr_ms
                    self._decoded(open_, item, transcript)
                else:
                    # Charged too: a recogniser that is slower than speech answers late in virtual time as it does in real time.
                    await self._clock.charged("asr_feed", self._asr.feed(item))
                    self._guess(open_)
        except SpeechError as error:
            log.warning("recogniser failed: %s", error)
            self._backlog.clear()
            self._open = None
            self._publish(Notice, level="error", code="asr_failed", message=str(error), repair="Say it again, or type it.")
        finally:
            self._draining = False

    def _guess(self, open_: _Open) -> None:
        partial = " ".join([*open_.parts, self._asr.partial]).strip()
        if partial and partial != open_.partial:
            open_.partial = partial
            self._publish(
                UserText,
                utterance_id=open_.utterance_id,
                text=partial,
                final=False,
                start_samples=open_.start,
                source="asr",
                recogniser=self._recogniser,
            )

    def _decoded(self, open_: _Open, pause: _Pause, transcript: Transcript) -> None:
        if open_.pause is not pause:
            # The user went on while the words were being decoded.
            open_.parts.append(transcript.text)
            return
        self._on_probable_end(self._utterance(open_, pause, transcript))
        self._maybe_finish(open_)

    def _utterance(self, open_: _Open, pause: _Pause, transcript: Transcript) -> Utterance:
        words = transcript.text
        if transcript.command is not None and not any(open_.parts):
            words = transcript.command
        text = " ".join(part for part in [*open_.parts, words] if part)
        return Utterance(utterance_id=open_.utterance_id, text=text, start_samples=open_.start, end_samples=pause.began)

    def _maybe_finish(self, open_: _Open) -> None:
        pause = open_.pause
        if self._open is not open_ or pause is None or pause.transcript is None:
            return
        if self.silence_ms < self._policy.required_ms(pause.scores):
            return
        self._open = None
        utterance = self._utterance(open_, pause, pause.transcript)
        self._publish(
            UserText,
            at_samples=pause.began,
            utterance_id=utterance.utterance_id,
            text=utterance.text,
            final=True,
            start_samples=utterance.start_samples,
            source="asr",
            recogniser=self._recogniser,
            decode_ms=pause.transcript.decode_ms,
        )
        waited_ms = (self._clock.now_samples - pause.began) / SAMPLES_PER_MS
        self._publish(StageTiming, utterance_id=utterance.utterance_id, stage="asr", ms=open_.asr_ms)
        self._publish(StageTiming, utterance_id=utterance.utterance_id, stage="end_of_turn", ms=waited_ms)
        spoke_ms = (pause.began - open_.start) / SAMPLES_PER_MS
        if utterance.text or spoke_ms >= MIN_SPEECH_MS:
            self._on_utterance(utterance)

    async def close(self) -> None:
        """Gives the recogniser back."""
        await self._asr.close()
