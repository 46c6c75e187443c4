"""Small folders in Full-Duplex-Bench's layouts, and an engine that speaks by the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.engines.base import AgentFrame, Availability, EngineSession, EngineSpec, TextPiece
from workbench.testing.engines import EchoSession
from workbench.testing.talks import spoken

CLIPS = Path(__file__).parents[1] / "data" / "audio"


def write(path: Path, content: Any) -> None:
    """JSON, or sound `[n]` at 24 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        soundfile.write(path, content, SAMPLE_RATE, subtype="PCM_16")
    else:
        path.write_text(json.dumps(content), "utf-8")


def track(length_s: float, *parts: tuple[float, Pcm]) -> Pcm:
    """Sounds at their seconds, in silence of `length_s`."""
    made = silence(round(length_s * SAMPLE_RATE))
    for at_s, sound in parts:
        start = round(at_s * SAMPLE_RATE)
        made[start : start + len(sound)] += sound
    return made


def clip(name: str) -> Pcm:
    return load_wav(CLIPS / f"{name}.wav")


def alignment(name: str) -> list[tuple[str, float, float]]:
    """Words of a clip with their seconds, by forced alignment."""
    words = json.loads((CLIPS / "alignment.json").read_text())["clips"][f"{name}.wav"]
    return [(text, start, end) for text, start, end in words]


def voiced(name: str) -> tuple[float, float]:
    """From the first word of a clip to the end of its last, in seconds."""
    words = alignment(name)
    return words[0][1], words[-1][2]


def v1_sample(root: Path, task: str, sample_id: str = "1", *, sound: Pcm | None = None, span: tuple[float, float] = (2.0, 2.5)) -> Path:
    """One sample of a v1 task; the sound is silence unless given, so that nothing is heard in it."""
    folder = root / task / sample_id
    write(folder / "input.wav", sound if sound is not None else track(6.0))
    write(folder / "transcription.json", [{"text": "word", "timestamp": [0.5, 0.9]}])
    match task:
        case "candor_turn_taking":
            write(folder / "turn_taking.json", [{"text": "[TURN-TAKING]", "timestamp": list(span)}])
        case "synthetic_user_interruption":
            write(folder / "interrupt.json", [{"context": "Tell me a story.", "interrupt": "Wait, stop.", "timestamp": list(span)}])
        case "icc_backchannel":
            pass
        case _:
            write(folder / "pause.json", [{"text": "[PAUSE]", "timestamp": list(span)}])
    return folder


def v15_sample(root: Path, task: str, sample_id: str = "1", *, sound: Pcm | None = None, clean: Pcm | None = None) -> Path:
    folder = root / task / sample_id
    write(folder / "input.wav", sound if sound is not None else track(6.0))
    write(folder / "clean_input.wav", clean if clean is not None else track(6.0))
    write(folder / "metadata.json", {"context_text": "Tell me a story.", "current_turn_text": "Wait, stop.", "timestamps": [2.0, 2.5]})
    return folder


def answer(folder: Path, *words: tuple[str, float, float], sound: Pcm | None = None) -> None:
    """An `output.json`, and an `output.wav` where there is a sound."""
    chunks = [{"text": text, "timestamp": [start, end]} for text, start, end in words]
    write(folder / "output.json", {"text": " ".join(word[0] for word in words), "chunks": chunks})
    if sound is not None:
        write(folder / "output.wav", sound)


class TimedSession(EchoSession):
    """Plays one track, in session time, whatever it hears."""

    def __init__(self, sound: Pcm, words: Mapping[float, str]) -> None:
        super().__init__()
        self._sound = sound
        self._words = words
        self._frame = 0

    async def step(self, user: Pcm) -> AgentFrame:
        self._frame += 1
        start = self._frame * FRAME_SAMPLES
        heard = self._sound[start : start + FRAME_SAMPLES]
        at = {round(second * SAMPLE_RATE): word for second, word in self._words.items()}
        pieces = tuple(TextPiece(f" {word}", False, place - start) for place, word in at.items() if start <= place < start + FRAME_SAMPLES)
        return AgentFrame(np.concatenate([heard, silence(FRAME_SAMPLES - len(heard))]), pieces)


class TimedEngine:
    """Says words at fixed seconds of every talk, a quarter of a second of tone each, or plays `sound`. The n-th talk gets the n-th of
    `tracks`, the last one again and again."""

    name = "timed"

    def __init__(self, *tracks: Mapping[float, str], sound: Pcm | None = None) -> None:
        self._tracks: Sequence[Mapping[float, str]] = tracks or ({},)
        self._sound = sound
        self.opened: list[EngineSpec] = []

    async def probe(self) -> Availability:
        return Availability("ready", "Speaks by the clock.")

    async def open(self, spec: EngineSpec) -> EngineSession:
        words = self._tracks[min(len(self.opened), len(self._tracks) - 1)]
        self.opened.append(spec)
        sound = self._sound if self._sound is not None else track(30.0, *((at_s, spoken(0.25)) for at_s in words))
        return TimedSession(sound, words)
