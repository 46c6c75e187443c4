"""How many times faster than real time a talk is that is driven as fast as its parts allow (`workbench talk --fast`).

    uv run python -m benchmarks.talk_speed [--runs 5] [--seconds 60]

The user is real clips and pauses in turn. The factor is session time over wall time, from the opening of the talk to its end; the rows
of the command itself count its whole process with its start. Recording is on throughout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.children import ROOT
from benchmarks.table import machine, percentile, table
from benchmarks.users import user_sound
from workbench.assembly import assemble
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.wav import write_wav
from workbench.clock import FastClock
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.engines.speech.base import Asr, Tts
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts
from workbench.transports.clip import ClipDriver

COMMAND = (sys.executable, "-c", "from workbench.cli import main; main()", "talk")


async def talks(engine: str, sound: Pcm, runs: int, *, scripted_parts: bool) -> list[float]:
    """The factor of each of `runs` talks in one process."""
    recogniser: Asr | None = ScriptedAsr(lambda _seconds: "tell me more") if scripted_parts else None
    voices: list[Tts] | None = [ToneTts()] if scripted_parts else None
    factors = []
    with tempfile.TemporaryDirectory() as folder:
        bench = await assemble(Settings(data_dir=Path(folder), test_engines=True), recogniser=recogniser, synthesisers=voices)
        try:
            for _ in range(runs):
                clip, clock = ClipInput(sound), FastClock()
                began_s = time.perf_counter()
                talk = await bench.sessions.open(TalkRequest(transport="benchmark", engine=engine), clip=clip, clock=clock)
                talk.conversation.observe(ClipDriver(clip, talk.conversation.hang_up))
                await talk.closed()
                factors.append(clock.now_samples / SAMPLE_RATE / (time.perf_counter() - began_s))
        finally:
            await bench.close()
    return factors


def commands(engine: str, sound: Pcm, runs: int) -> list[float]:
    """The factor of the whole command, its start included."""
    factors = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "user.wav"
        write_wav(clip, sound)
        for _ in range(runs):
            began_s = time.perf_counter()
            done = subprocess.run(
                [*COMMAND, str(clip), "--engine", engine, "--test-engines", "--fast", "--json", "--data-dir", folder],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            took_s = time.perf_counter() - began_s
            # The talk lasts at least as long as the clip, and as its last turn.
            ends_s = [turn["end_ms"] / 1_000 for turn in json.loads(done.stdout)["turns"]]
            factors.append(max([sound.size / SAMPLE_RATE, *ends_s]) / took_s)
    return factors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    print(machine())
    sound = np.concatenate(list(user_sound(options.seconds, seed=1)))
    measured = (
        ("scripted engine, scripted recogniser", asyncio.run(talks("scripted", sound, options.runs, scripted_parts=True))),
        ("scripted engine, embedded recogniser", asyncio.run(talks("scripted", sound, options.runs, scripted_parts=False))),
        ("classic engine, embedded parts", asyncio.run(talks("classic", sound, options.runs, scripted_parts=False))),
        ("workbench talk --engine scripted, with its start", commands("scripted", sound, options.runs)),
        ("workbench talk --engine classic, with its start", commands("classic", sound, options.runs)),
    )
    rows = [(name, len(factors), percentile(factors, 50), percentile(factors, 5), percentile(factors, 95)) for name, factors in measured]
    print(table(("talk", "n", "times real time, p50", "p5", "p95"), rows, digits=1))
    print(machine())


if __name__ == "__main__":
    main()
