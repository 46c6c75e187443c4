"""Plays Full-Duplex-Bench's inputs to an engine, and keeps its answers in the benchmark's own layout.

    RUN/run.json                        what was run: engine, prompts, words' source, versions
    RUN/{task}/{ID}/output.wav          the agent alone, 24 kHz, on the input's clock and of the input's length
                    output.json         its words with their times
                    clean_output.*      the same for v1.5's `clean_input.wav`
                    talk.json           what the talk was: engine and its parts, digests of the input and of every file here

A sample's folder appears whole or not at all, so a run that was interrupted goes on with the sample it was at. No tool runs and nothing
is written to the workbench's database: a benchmark measures the engine.

The agent's sound lies where a listener would have heard it: the answer to a frame begins at that frame's end. Offline scripts write the
answer beside the frame, 80 ms earlier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.fdb_folders import Sample
from evaluation.fdb_run_folder import Answer, Conditions, begin, is_whole, keep, sha256
from evaluation.word_times import engine_words, recognised
from evaluation.words import Span
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, LatencyModel, RealtimeClock, SessionClock, as_measured
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.events import AgentSpeech, AgentText, EngineChosen, EngineLost, Event, Notice, SessionClosed
from workbench.sessions import LiveTalk, Sessions

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a run's samples, by name. `failed` holds the reason; those are tried again by the next run."""

    played: tuple[str, ...]
    kept: tuple[str, ...]
    """Were whole already."""
    failed: Mapping[str, str]


class _Lost(Exception):
    """A talk was not the engine's own to its end; the message says why."""


class _Observer:
    """Keeps the agent's sound and words for as long as the input lasts, then hangs up."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._sound: list[Pcm] = []
        self.talk: LiveTalk | None = None
        self.text: list[AgentText] = []
        self.speech: list[AgentSpeech] = []
        self.chosen: EngineChosen | None = None
        self.faults: list[str] = []

    def on_event(self, event: Event) -> None:
        match event:
            case AgentText():
                self.text.append(event)
            case AgentSpeech():
                self.speech.append(event)
            case EngineChosen():
                self.chosen = event
            case EngineLost():
                self.faults.append(f"the engine {event.engine} was lost: {event.reason}")
            case Notice(level="error"):
                self.faults.append(event.message)
            case SessionClosed() if event.reason != "completed":
                self.faults.append(f"the talk ended with {event.reason}: {event.detail}")
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self._sound.append(agent)
        if self.talk is not None and start_samples + FRAME_SAMPLES >= self._samples:
            self.talk.conversation.hang_up("completed")

    def sound(self) -> Pcm:
        """The agent from session time 0, `[samples]` at 24 kHz: cut, or padded with silence, to the input."""
        heard = np.concatenate(self._sound)[: self._samples] if self._sound else silence(0)
        return np.concatenate([heard, silence(self._samples - len(heard))])

    def sounding(self) -> list[Span]:
        """The agent's speech in seconds. Speech that was going on at the end of the input ends there."""
        found: list[Span] = []
        begun: float | None = None
        for edge in self.speech:
            at_s = edge.at_samples / SAMPLE_RATE
            if edge.edge == "start":
                begun = at_s
            elif begun is not None:
                found.append((begun, max(begun, at_s)))
                begun = None
        return found if begun is None else [*found, (begun, max(begun, self._samples / SAMPLE_RATE))]


async def run_samples(
    samples: Sequence[Sample],
    sessions: Sessions,
    conditions: Conditions,
    out: Path,
    *,
    tell: Report = lambda _message: None,
    charge: LatencyModel = as_measured,
) -> Played:
    """Plays every sample that `out` does not hold whole. Talks are held one after the other, so that none pays for another's work.

    A talk in which the engine was lost, or a part of it failed, is none of the engine's answers: its sample is told and left out.
    Raises RunError when `out` holds another run or cannot be written, TalkRefused when no talk can be opened, and AudioError for a sound
    that cannot be read.
    """
    begin(out, conditions)
    played: list[str] = []
    kept: list[str] = []
    failed: dict[str, str] = {}
    for number, sample in enumerate(samples, start=1):
        digests = {given: sha256(sample.sound(given)) for given in sample.inputs}
        if is_whole(out / sample.name, digests):
            kept.append(sample.name)
            continue
        try:
            answers = {given: await _play(sample, given, sessions, conditions, _clock(conditions, charge)) for given in sample.inputs}
        except _Lost as lost:
            failed[sample.name] = str(lost)
            tell(f"{number} of {len(samples)}: {sample.name} failed: {lost}.")
            continue
        keep(out / sample.name, sample, answers, digests)
        played.append(sample.name)
        tell(f"{number} of {len(samples)}: {sample.name} played.")
    return Played(tuple(played), tuple(kept), failed)


def _clock(conditions: Conditions, charge: LatencyModel) -> SessionClock:
    return RealtimeClock() if conditions.pace == "realtime" else FastClock(charge, latency_model=conditions.latency_model)


async def _play(sample: Sample, given: str, sessions: Sessions, conditions: Conditions, clock: SessionClock) -> Answer:
    """One input from its first sample to its last. Raises _Lost where the talk was not the engine's own to its end."""
    pcm = load_wav(sample.sound(given))
    observer = _Observer(len(pcm))
    request = TalkRequest(
        persona=conditions.persona,
        voice=conditions.voice,
        engine=conditions.engine,
        transport="clip",
        seed=conditions.seed,
        recording=False,
        text_prompt=conditions.prompt_for(sample),
    )
    live = await sessions.open(request, clip=ClipInput(pcm), clock=clock, observers=[observer])
    observer.talk = live
    reason: CloseReason = await live.closed()
    if observer.faults or reason != "completed":
        raise _Lost(f"{given}.wav: {'; '.join(dict.fromkeys(observer.faults)) or f'the talk ended with {reason}'}")
    sound = observer.sound()
    from_s = sample.event[1] if sample.kind == "interruption" and sample.event is not None else 0.0
    if conditions.words == "engine-text":
        words = engine_words(observer.text, observer.sounding(), len(pcm) / SAMPLE_RATE, from_s)
    else:
        words = await asyncio.to_thread(recognised, sound, from_s)
    chosen = observer.chosen
    account = {
        "engine": chosen.engine if chosen is not None else "",
        "parts": {role: dict(part) for role, part in chosen.parts.items()} if chosen is not None else {},
        "persona": live.persona.persona_id,
        "prompt": live.persona.prompt,
        "voice": live.conversation.spec.voice,
        "seconds": len(pcm) / SAMPLE_RATE,
    }
    return Answer(sound, words, account)
