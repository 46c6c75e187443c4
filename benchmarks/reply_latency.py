"""End of the user's last word to the first audible sample of the reply, on real clips with known word ends.

    uv run python -m benchmarks.reply_latency [--passes 3] [--fast] [--policies smart,fixed-300,fixed-500]

The talk is the whole one: detector, end-of-turn model, recogniser, bridge, embedded responder, voice. In real time a frame counts
from when it really left; with `--fast` session time is charged with what the parts took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.table import machine, percentile, table
from workbench.assembly import Workbench, assemble
from workbench.audio.frames import SAMPLE_RATE, SAMPLES_PER_MS, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, RealtimeClock
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.events import AgentSpeech, Event, FrameTiming, StageTiming, UserText
from workbench.settings import Settings

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "audio"
GIVE_UP_MS = 8_000.0
LEAD_S = 0.4
"""Silence before each clip, so that the first word does not begin with the stream."""

POLICIES: dict[str, dict[str, float]] = {
    "smart": {},
    "fixed-300": {"turn_fixed_hold_ms": 300.0},
    "fixed-500": {"turn_fixed_hold_ms": 500.0},
    "fixed-700": {"turn_fixed_hold_ms": 700.0},
}


@dataclass
class Reply:
    """Ends the talk at the first sound of the reply to the last word, and keeps when that was."""

    last_word_samples: int
    hang_up: Callable[[CloseReason], None]
    first_ms: float | None = None
    """First audible sample less the end of the last word, plus how late its frame left."""
    cuts: int = 0
    """Utterances ended before the last word was over."""
    stages: dict[str, float] = field(default_factory=dict)
    _began: int | None = None

    def on_event(self, event: Event) -> None:
        match event:
            case UserText() if event.final and event.noticed_samples < self.last_word_samples:
                self.cuts += 1
            case StageTiming():
                self.stages[event.stage] = event.ms
            case AgentSpeech() if event.edge == "start" and event.at_samples >= self.last_word_samples:
                self._began = event.at_samples
            case FrameTiming() if self._began is not None and self.first_ms is None:
                late_ms = event.late_ms + event.total_ms
                self.first_ms = (self._began - self.last_word_samples) / SAMPLES_PER_MS + late_ms
                self.hang_up("completed")
            case FrameTiming() if event.at_samples - self.last_word_samples > GIVE_UP_MS * SAMPLES_PER_MS:
                self.hang_up("completed")
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Only events matter here."""


async def reply_to(workbench: Workbench, clip: Path, last_word_s: float, *, fast: bool) -> Reply:
    """One talk with one clip."""
    lead = silence(round(LEAD_S * SAMPLE_RATE))
    user = ClipInput(np.concatenate([lead, load_wav(clip)]))
    clock = FastClock() if fast else RealtimeClock()
    talk = await workbench.sessions.open(TalkRequest(transport="benchmark", engine="classic", recording=False), clip=user, clock=clock)
    reply = Reply(round((LEAD_S + last_word_s) * SAMPLE_RATE), talk.conversation.hang_up)
    talk.conversation.observe(reply)
    await talk.closed()
    return reply


async def measure(policy: str, passes: int, *, fast: bool) -> list[Reply]:
    words = json.loads((CLIPS / "alignment.json").read_text())["clips"]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), recording=False, **POLICIES[policy])  # type: ignore[arg-type]  # mypy tries the floats on every field
        workbench = await assemble(settings)
        try:
            return [
                await reply_to(workbench, CLIPS / name, aligned[-1][2], fast=fast)
                for _ in range(passes)
                for name, aligned in words.items()
                if (CLIPS / name).exists()
            ]
        finally:
            await workbench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--policies", default="smart,fixed-300,fixed-500")
    options = parser.parse_args()
    rows = []
    print(machine())
    for policy in options.policies.split(","):
        replies = asyncio.run(measure(policy, options.passes, fast=options.fast))
        heard = [reply.first_ms for reply in replies if reply.first_ms is not None]
        stages = {stage: [reply.stages[stage] for reply in replies if stage in reply.stages] for stage in ("end_of_turn", "asr", "tts")}
        rows.append(
            (
                policy,
                len(replies),
                len(replies) - len(heard),
                *(percentile(heard, q) for q in (50, 90, 95)),
                sum(reply.cuts > 0 for reply in replies),
                *(percentile(stages[stage], 50) for stage in ("end_of_turn", "asr", "tts")),
            )
        )
    head = ("policy", "n", "no reply", "p50 ms", "p90 ms", "p95 ms", "clips cut in mid-turn", "end of turn p50", "asr p50", "tts p50")
    print(table(head, rows))


if __name__ == "__main__":
    main()
