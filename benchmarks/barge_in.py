"""User's onset to the agent's last audible sample, on real clips with known word starts; and what noise does.

    uv run python -m benchmarks.barge_in [--passes 3] [--realtime]

The agent speaks a long text; a clip begins over it at a place that differs every time. The onset is where the clip's first aligned
word becomes audible, not the detector's guess. Then the same with white and brown noise, clicks and hum, where a stop is a false one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reply_latency import CLIPS
from benchmarks.table import machine, percentile, table
from workbench.assembly import Workbench, assemble
from workbench.audio.frames import SAMPLE_RATE, SAMPLES_PER_MS, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, RealtimeClock
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.events import BargeIn, Event
from workbench.settings import Settings

MONOLOGUE = " ".join(["This is a long answer that goes on for quite a while so that somebody may break into it."] * 8)
LEAD_S = 2.0
WATCH_S = 3.0
"""How long after the onset a stop is waited for."""
AUDIBLE_DB = 25.0
NOISE_S = 8.0


@dataclass
class Stop:
    """Waits for the talk's own account of the barge-in: the agent was cut off, and where its sound ended."""

    onset_samples: int
    hang_up: Callable[[CloseReason], None]
    stop_samples: int | None = None

    def on_event(self, event: Event) -> None:
        if isinstance(event, BargeIn) and event.cancelled_text:
            self.stop_samples = event.stop_samples
            self.hang_up("completed")

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        if start_samples > self.onset_samples + WATCH_S * SAMPLE_RATE:
            self.hang_up("completed")


def onset(clip: Pcm, word_s: float) -> float:
    """Where the first word can be heard, in seconds: the first 10 ms block within `AUDIBLE_DB` of the clip's loudest, from the aligned
    start of the word on. Forced alignment puts silence before the first word into the word, up to 0.2 s of it."""
    blocks = clip[: clip.size // 240 * 240].reshape(-1, 240)
    level_db = 20 * np.log10(np.sqrt(np.mean(np.square(blocks), axis=1)) + 1e-9)
    first = round(word_s * 100)
    return (first + int(np.argmax(level_db[first:] > level_db.max() - AUDIBLE_DB))) / 100


async def break_in(workbench: Workbench, sound: Pcm, onset_s: float, lead_s: float, *, realtime: bool) -> Stop:
    """One talk: the monologue, and `sound` over it after `lead_s`."""
    user = ClipInput(np.concatenate([silence(round(lead_s * SAMPLE_RATE)), sound]))
    clock = RealtimeClock() if realtime else FastClock()
    talk = await workbench.sessions.open(TalkRequest(transport="benchmark", engine="classic", recording=False), clip=user, clock=clock)
    stop = Stop(round((lead_s + onset_s) * SAMPLE_RATE), talk.conversation.hang_up)
    talk.conversation.observe(stop)
    talk.conversation.say(MONOLOGUE)
    await talk.closed()
    return stop


def noises(seed: int) -> dict[str, Pcm]:
    """Sounds that are no speech, `NOISE_S` each at about -26 dBFS."""
    random = np.random.default_rng(seed)
    n = round(NOISE_S * SAMPLE_RATE)
    white = random.standard_normal(n)
    brown = np.cumsum(white)
    brown -= np.convolve(brown, np.ones(2_400) / 2_400, mode="same")
    clicks = np.zeros(n)
    for at in np.sort(random.integers(0, n - 480, 40)):
        clicks[at : at + 480] += random.standard_normal(480) * np.exp(-np.arange(480) / 60) * 4
    hum = sum(np.sin(2 * np.pi * 50 * k * np.arange(n) / SAMPLE_RATE) / k for k in (1, 2, 3))
    return {
        name: (0.05 * sound / np.sqrt(np.mean(np.square(sound)))).astype(np.float32)
        for name, sound in (("white noise", white), ("brown noise", brown), ("clicks", clicks), ("hum", hum))
    }


async def measure(passes: int, *, realtime: bool) -> tuple[list[float], int, dict[str, tuple[int, int]]]:
    """Stop latencies in ms, onsets that stopped nothing, and (talks, false stops) for each noise."""
    words = json.loads((CLIPS / "alignment.json").read_text())["clips"]
    latencies: list[float] = []
    missed = 0
    false: dict[str, tuple[int, int]] = {}
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        workbench = await assemble(Settings(data_dir=Path(folder), recording=False))
        try:
            for _ in range(passes):
                for name, aligned in words.items():
                    if not (CLIPS / name).exists():
                        continue
                    clip = load_wav(CLIPS / name)
                    stop = await break_in(workbench, clip, onset(clip, aligned[0][1]), LEAD_S + random.uniform(0, 0.08), realtime=realtime)
                    if stop.stop_samples is not None:
                        latencies.append((stop.stop_samples - stop.onset_samples) / SAMPLES_PER_MS)
                    else:
                        missed += 1
            for seed in range(passes):
                for name, sound in noises(seed).items():
                    stop = await break_in(workbench, sound, WATCH_S, LEAD_S, realtime=realtime)
                    talks, stops = false.get(name, (0, 0))
                    false[name] = (talks + 1, stops + (stop.stop_samples is not None))
        finally:
            await workbench.close()
    return latencies, missed, false


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--realtime", action="store_true")
    options = parser.parse_args()
    print(machine())
    latencies, missed, false = asyncio.run(measure(options.passes, realtime=options.realtime))
    row = (len(latencies), *(percentile(latencies, q) for q in (50, 90, 95, 100)), missed)
    print(table(("n", "p50 ms", "p90 ms", "p95 ms", "max ms", "not stopped"), [row]))
    print()
    print(table(("sound over the agent", "talks", "false stops"), [(name, *counts) for name, counts in false.items()]))


if __name__ == "__main__":
    main()
