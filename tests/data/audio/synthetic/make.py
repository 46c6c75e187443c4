"""Makes the synthetic clips beside it and their manifest: `uv run python tests/data/audio/synthetic/make.py` (needs libflite1).

The voice's noise is random, so a clip that is made again differs in single samples, not in its words.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from workbench.engines.speech.flite_library import FliteLibrary

HERE = Path(__file__).parent
RATE = 16_000
LEAD_MS = 300
TRAIL_MS = 500

CLIPS = (
    ("time_tokyo", "what time is it in tokyo", "rms", "tool request"),
    ("time_tokyo_slt", "what time is it in tokyo", "slt", "tool request"),
    ("time_london", "what time is it in london", "rms", "tool request"),
    ("times", "what is twelve times seven", "rms", "tool request"),
    ("times_slt", "what is twelve times seven", "slt", "tool request"),
    ("plus", "what is forty two plus eight", "rms", "tool request"),
    ("sessions_today", "how many sessions did we have today", "rms", "tool request"),
    ("stop", "stop", "rms", "abort"),
    ("never_mind", "never mind", "rms", "abort"),
    ("barge_in", "wait a moment please stop talking", "slt", "barge-in"),
)
"""File name, words, flite voice, what it is for."""


def say(flite: FliteLibrary, text: str, voice: str) -> NDArray[np.int16]:
    """The clip `[n]` at 16 kHz, with silence before and after it."""
    chunks: list[NDArray[np.int16]] = []

    def take(samples: NDArray[np.int16], rate: int) -> bool:
        if rate != RATE:
            raise ValueError(f"the voice {voice} speaks at {rate} Hz; take one that speaks at {RATE} Hz")
        chunks.append(samples)
        return True

    flite.say(text, voice, take)
    lead, trail = (np.zeros(RATE * ms // 1_000, dtype=np.int16) for ms in (LEAD_MS, TRAIL_MS))
    return np.concatenate([lead, *chunks, trail])


def main() -> None:
    flite = FliteLibrary()
    clips = []
    for name, text, voice, purpose in CLIPS:
        pcm = say(flite, text, voice)
        soundfile.write(HERE / f"{name}.wav", pcm, RATE, subtype="PCM_16")
        clips.append(
            {
                "file": f"{name}.wav",
                "transcript": text,
                "kind": purpose,
                "synthetic": True,
                "voice": f"flite {voice}",
                "rate": RATE,
                "duration_s": round(len(pcm) / RATE, 3),
                "source": "made by make.py in this folder with flite 2.2",
                "licence": "CC0-1.0",
            }
        )
    (HERE / "manifest.json").write_text(json.dumps(clips, indent=1) + "\n")


if __name__ == "__main__":
    main()
