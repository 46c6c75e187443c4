"""Makes the clips beside it and their manifest: `uv run python evaluation/scenarios/core/clips/make.py` (needs libflite1).

A clip begins with its first sound and ends with its last, so that a scenario's times are true, and has the level that a scripted user
plays it at. Human voices are cut out of `tests/data/audio`; the others are synthetic. The same words are the same sound each time.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evaluation.user_sound import LEVEL_DB, level_db
from workbench.engines.speech.flite_library import FliteLibrary

HERE = Path(__file__).parent
RECORDINGS = HERE.parents[3] / "tests" / "data" / "audio"
RATE = 16_000
SOUNDING = 0.01
"""Samples softer than this share of the loudest one (-40 dB) at both ends are silence."""
EDGE_MS = 20
"""So much of the silence stays at both ends: a soft consonant is not cut."""
GROUP_GAP_MS = 200
"""Between the digits of one group."""

SYNTHETIC = (
    # Every persona can be asked these.
    ("name", "what is your name", "rms"),
    ("able", "what can you do for me", "rms"),
    ("hear", "can you hear me", "rms"),
    ("thanks", "thank you", "rms"),
    ("goodbye", "goodbye", "rms"),
    ("wait_name", "wait what is your name", "rms"),
    ("stop", "stop please", "rms"),
    ("tell_me", "can you tell me", "rms"),
    ("your_name", "what your name is", "rms"),
    ("um", "um", "rms"),
    ("what_you_do", "what you can do for me", "rms"),
    # Acknowledgements.
    ("mm_hm", "um hum", "rms"),
    ("yeah", "yeah", "rms"),
    ("right", "right", "slt"),
    ("okay", "okay", "rms"),
    # Another person in the room, and words to that person.
    ("newspaper", "could you bring me the newspaper", "rms"),
    ("dinner", "dinner is ready in five minutes", "awb"),
    # The bicycle repair shop.
    ("basic", "what does a basic service cost", "rms"),
    ("basic_slt", "how much is a basic service", "slt"),
    ("overhaul", "how much does a full overhaul cost", "rms"),
    ("mean_overhaul", "no i meant the full overhaul", "rms"),
    ("tyre", "what does a flat tyre cost", "rms"),
    ("open", "when is the shop open", "rms"),
    ("where", "where is the shop", "rms"),
    ("refund", "can i get a refund on the phone", "rms"),
    ("manager", "what is the name of the manager", "rms"),
    ("helmets", "do you sell new helmets", "rms"),
    ("founded", "when was the shop founded", "slt"),
    ("warranty", "how long is the warranty", "slt"),
    ("deposit", "is there a deposit", "rms"),
    ("electric", "what about electric bikes", "rms"),
    ("book", "i want to book a repair", "rms"),
    ("useless", "you are very slow and useless", "rms"),
    ("helen", "my name is helen", "rms"),
    ("my_name", "what did i say my name was", "rms"),
    ("would_like", "i would like to know", "rms"),
    # Tools.
    ("time_tokyo", "what time is it in tokyo", "rms"),
    ("time_london", "what time is it in london", "rms"),
    ("times", "what is twelve times seven", "rms"),
    ("plus", "what is forty two plus eight", "rms"),
    ("twelve", "what is twelve", "rms"),
    ("times_seven", "times seven", "rms"),
)
"""Clip, words, flite voice."""

HUMAN = (
    ("reading", ("librivox_0880",)),
    ("reading_on", ("librivox_0920",)),
    ("forever", ("forever_2",)),
    ("number", ("digit_two", "digit_zero", "digit_eight")),
    ("number_on", ("digit_five", "digit_nine")),
    ("number_end", ("digit_one", "digit_six")),
)
"""Clip, recordings that are put one after the other."""

Pcm16k = NDArray[np.float64]
"""[n] at 16 kHz, -1 to 1."""


@dataclass(frozen=True, slots=True)
class Made:
    """One row of the manifest."""

    file: str
    transcript: str
    synthetic: bool
    voice: str
    source: str
    licence: str
    duration_s: float


def spoken(flite: FliteLibrary, text: str, voice: str) -> Pcm16k:
    """The text in a flite voice. Raises ValueError for a voice of another rate."""
    chunks: list[NDArray[np.int16]] = []

    def take(samples: NDArray[np.int16], rate: int) -> bool:
        if rate != RATE:
            raise ValueError(f"the voice {voice} speaks at {rate} Hz; take one that speaks at {RATE} Hz")
        chunks.append(samples)
        return True

    flite.say(text, voice, take)
    return trimmed(np.concatenate(chunks) / 32_768)


def recorded(names: tuple[str, ...]) -> Pcm16k:
    """Recordings one after the other, `GROUP_GAP_MS` apart."""
    gap = np.zeros(RATE * GROUP_GAP_MS // 1_000)
    parts: list[Pcm16k] = []
    for name in names:
        pcm, rate = soundfile.read(RECORDINGS / f"{name}.wav", dtype="float64")
        parts += [gap, trimmed(soxr.resample(pcm, rate, RATE))]
    return np.concatenate(parts[1:])


def trimmed(pcm: Pcm16k) -> Pcm16k:
    """Without the silence at both ends."""
    sounding = np.flatnonzero(np.abs(pcm) >= SOUNDING * np.abs(pcm).max())
    edge = RATE * EDGE_MS // 1_000
    return pcm[max(0, int(sounding[0]) - edge) : int(sounding[-1]) + edge]


def write(name: str, pcm: Pcm16k) -> float:
    """Writes the clip and gives its seconds."""
    leveled = pcm * 10 ** ((LEVEL_DB - level_db(pcm.astype(np.float32))) / 20)
    soundfile.write(HERE / f"{name}.flac", np.clip(leveled, -1, 1), RATE, subtype="PCM_16", compression_level=1.0)
    return round(len(pcm) / RATE, 3)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    flite = FliteLibrary()
    known = {row["file"]: row for row in json.loads((RECORDINGS / "manifest.json").read_text("utf-8"))}
    made = [
        Made(f"{name}.flac", text, True, f"flite {voice}", "made by make.py in this folder with flite 2.2", "CC0-1.0", length)
        for name, text, voice in SYNTHETIC
        for length in (write(name, spoken(flite, text, voice)),)
    ]
    for name, recordings in HUMAN:
        rows = [known[f"{recording}.wav"] for recording in recordings]
        made.append(
            Made(
                f"{name}.flac",
                " ".join(row["transcript"] for row in rows),
                False,
                "human",
                " ".join(row["source"] for row in rows),
                "; ".join(sorted({row["licence"] for row in rows})),
                write(name, recorded(recordings)),
            )
        )
    (HERE / "manifest.json").write_text(json.dumps([asdict(row) for row in made], indent=1) + "\n", "utf-8")
    size = sum(path.stat().st_size for path in HERE.glob("*.flac"))
    print(f"{len(made)} clips, {sum(row.duration_s for row in made):.0f} s, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
