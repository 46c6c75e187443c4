"""What a recogniser makes of the same clips at 24 kHz, and as a telephone carries them.

    uv run python -m benchmarks.phone_words [--asr auto]

Every clip of `tests/data/audio` is heard three times, with the tools' phrases as in a talk: as a browser sends it, as 8 kHz mu-law, and
as 8 kHz mu-law with the band above 4 kHz filled (`workbench.audio.telephone_band`). Free speech counts its word errors; of the requests,
how many tools were heard word for word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.table import machine, table
from workbench.audio.frames import FRAME_SAMPLES, LISTEN_RATE, SAMPLE_RATE, Pcm, silence
from workbench.audio.mulaw import TELEPHONE_RATE, decode_mulaw, encode_mulaw
from workbench.audio.resample import StreamResampler, to_listen_rate
from workbench.audio.telephone_band import TelephoneBand
from workbench.audio.wav import load_wav
from workbench.bridge.fidelity import spoken_words, word_error_rate
from workbench.bridge.registry import Registry
from workbench.bridge.replies import REPLY_PHRASES
from workbench.bridge.tools import register_builtin
from workbench.engines.speech.base import Asr
from workbench.engines.speech.recognisers import choose_recogniser

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "audio"
PADDING = round(0.3 * SAMPLE_RATE)


def _telephone(pcm: Pcm) -> Pcm:
    """[n] at 8 kHz."""
    return decode_mulaw(encode_mulaw(StreamResampler(SAMPLE_RATE, TELEPHONE_RATE).push(pcm)))


WAYS: dict[str, Callable[[Pcm], Pcm]] = {
    "24 kHz": lambda pcm: pcm,
    "8 kHz mu-law, nothing above 4 kHz": lambda pcm: StreamResampler(TELEPHONE_RATE, SAMPLE_RATE).push(_telephone(pcm)),
    "8 kHz mu-law, as the telephone's transport hands it on": lambda pcm: TelephoneBand().push(_telephone(pcm)),
}


@dataclass
class Tally:
    clips: int = 0
    words: int = 0
    errors: float = 0.0
    right: int = 0


async def _hear(asr: Asr, pcm: Pcm, phrases: list[str]) -> str:
    session = await asr.open(phrases)
    try:
        to_16k = to_listen_rate()
        sound = np.concatenate([silence(PADDING), pcm, silence(PADDING)])
        for begin in range(0, sound.size, FRAME_SAMPLES):
            await session.feed(to_16k.push(sound[begin : begin + FRAME_SAMPLES]))
        transcript = await session.finish()
        return transcript.command or transcript.text
    finally:
        await session.close()


async def measure(asr: Asr) -> dict[str, dict[str, Tally]]:
    """Tallies by way, then by `free speech` and `requests`."""
    registry = Registry()
    register_builtin(registry, stats=_nobody)
    phrases = [*registry.phrases(), *REPLY_PHRASES]
    found = {way: {"free speech": Tally(), "requests": Tally()} for way in WAYS}
    for folder in (CLIPS, CLIPS / "synthetic"):
        for clip in json.loads((folder / "manifest.json").read_text()):
            wanted = clip["transcript"]
            if not wanted:
                continue
            kind = "requests" if wanted in phrases else "free speech"
            pcm = load_wav(folder / clip["file"])
            for way, carry in WAYS.items():
                heard = await _hear(asr, carry(pcm), phrases)
                tally, rate = found[way][kind], word_error_rate(wanted, heard)
                count = len(spoken_words(wanted))
                tally.clips += 1
                tally.words += count
                tally.errors += (rate or 0.0) * count
                tally.right += spoken_words(heard) == spoken_words(wanted)
                print(f"{way[:20]:20} {clip['file']:24} {rate or 0.0:5.2f}  {heard}", flush=True)
    return found


def _nobody() -> dict[str, float | int | None]:
    raise RuntimeError("only the tools' phrases are wanted, nobody asks them")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asr", default="auto", help="auto, moonshine or pocketsphinx")
    options = parser.parse_args()
    asr = await choose_recogniser(options.asr)
    try:
        found = await measure(asr)
    finally:
        await asr.close()
    rows: list[list[float | int | str | None]] = []
    for way, kinds in found.items():
        free, asked = kinds["free speech"], kinds["requests"]
        share = 100 * free.errors / free.words
        rows.append([way, free.clips, free.words, f"{share:.1f}", asked.clips, asked.right])
    print(f"\n{asr.name}; {machine()}; recognisers hear {LISTEN_RATE} Hz\n")
    print(table(["sound", "n clips", "n words", "word errors, % ↓", "n requests", "heard word for word ↑"], rows))


if __name__ == "__main__":
    asyncio.run(main())
