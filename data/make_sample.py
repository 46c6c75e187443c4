"""Holds the talks of the sample and exports them: `python data/make_sample.py`. Nothing in the sample is written by hand.

Clips of `tests/data/audio` play the user, in virtual time, through the same workbench that serves: classic engine, recogniser, tools.
Three talks are held in real time, so that frames have deadlines. A few go to the `echo` engine, which repeats the user. Work is charged
to session time as it was measured, so the latencies are those of the machine that ran this, and another run gives others.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.assembly import Workbench, assemble
from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, RealtimeClock
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.sessions import LiveTalk
from workbench.settings import Settings
from workbench.store.base import Store
from workbench.store.export import export
from workbench.transports.clip import ClipDriver

HERE = Path(__file__).resolve().parent
CLIPS = HERE.parent / "tests" / "data" / "audio"
SAMPLE = HERE / "sample"

Part = str | float
"""A clip, by its name below `CLIPS` without the ending, or a pause in seconds."""


@dataclass(frozen=True, slots=True)
class Script:
    """One talk: who is talked to, and what the user does."""

    persona: str
    parts: Sequence[Part]
    engine: str = "classic"
    realtime: bool = False
    """At the pace of a live talk, so that frames have deadlines."""


ASK = {
    name: f"synthetic/{name}" for name in ("time_tokyo", "time_tokyo_slt", "time_london", "times", "times_slt", "plus", "sessions_today")
}
BREAK_IN, STOP, NEVER_MIND = "synthetic/barge_in", "synthetic/stop", "synthetic/never_mind"

SCRIPTS = (
    *(
        Script("myca", (ASK[name], 6.0, ASK[other]))
        for name, other in (("time_tokyo", "times"), ("plus", "time_london"), ("times_slt", "plus"))
    ),
    *(Script("myca", (ASK[name], wait, BREAK_IN)) for name, wait in (("time_london", 1.6), ("sessions_today", 2.0))),
    Script("myca", ("goforward", 5.0, ASK["time_tokyo_slt"], 1.4, STOP, 3.0, ASK["plus"])),
    Script("myca", ("something", 1.5, BREAK_IN, 5.0, NEVER_MIND)),
    *(
        Script("assistant", (ASK[name], 5.0, clip))
        for name, clip in (("times", "forever_2"), ("time_tokyo", "arctic_a0024"), ("plus", "cards_001"))
    ),
    *(Script("assistant", ("goforward", wait, BREAK_IN)) for wait in (1.2, 1.9, 2.6)),
    Script("assistant", (ASK["sessions_today"], 5.0, ASK["times_slt"], 1.5, NEVER_MIND)),
    *(
        Script("customer-service", (clip, 6.0, other))
        for clip, other in (("cards_002", "cards_003"), ("something", "cards_004"), ("forever_2", "goforward"))
    ),
    *(Script("customer-service", (clip, wait, BREAK_IN)) for clip, wait in (("something", 1.3), ("cards_001", 2.2), ("goforward", 1.7))),
    Script("customer-service", ("arctic_a0024", 1.2, STOP, 4.0, "one_two_three")),
    *(
        Script("casual", (clip, 5.0, other))
        for clip, other in (("arctic_a0024", "something"), ("one_two_three", "forever_2"), ("cards_004", "goforward"))
    ),
    *(Script("casual", (clip, wait, BREAK_IN)) for clip, wait in (("forever_2", 1.4), ("goforward", 2.1), ("cards_003", 1.1))),
    *(
        Script("casual", (clip, 0.4, other), "echo")
        for clip, other in (("forever_2", "goforward"), ("something", "cards_002"), ("cards_001", "something"))
    ),
    *(Script("myca", (clip, 0.5, other), "echo") for clip, other in (("goforward", BREAK_IN), ("one_two_three", "forever_2"))),
    Script("myca", (ASK["times"], 4.0, ASK["time_london"], 1.5, BREAK_IN), realtime=True),
    Script("assistant", (ASK["plus"], 4.0, "goforward", 1.5, BREAK_IN), realtime=True),
    Script("customer-service", ("something", 5.0, "cards_002"), realtime=True),
)


def user(parts: Sequence[Part]) -> Pcm:
    """The user's sound, [n] at 24 kHz; half a second of silence goes before the first word."""
    sounds = [load_wav(CLIPS / f"{part}.wav") if isinstance(part, str) else silence(round(part * SAMPLE_RATE)) for part in (0.5, *parts)]
    return np.concatenate(sounds)


async def hold(bench: Workbench, script: Script) -> None:
    """One talk from the first frame to the end of the last answer."""
    clip = ClipInput(user(script.parts))
    talks: list[LiveTalk] = []

    def hang_up(reason: CloseReason) -> None:
        for talk in talks:
            talk.conversation.hang_up(reason)

    driver = ClipDriver(clip, hang_up)
    request = TalkRequest(persona=script.persona, engine=script.engine, transport="clip", recording=False)
    live = await bench.sessions.open(request, clip=clip, clock=RealtimeClock() if script.realtime else FastClock(), observers=[driver])
    talks.append(live)
    await live.closed()


def known(store: Store) -> dict[str, Any]:
    """Figures of the sample, counted from the store without the workbench's analysis: what notebooks check theirs against."""
    talks = {row["session_id"]: row for row in store.query("SELECT * FROM voice_sessions")}
    turns = store.query("SELECT * FROM voice_turns ORDER BY session_id, start_ms")
    barge_ins = store.query("SELECT * FROM voice_barge_in_events")
    tools = store.query("SELECT * FROM voice_tool_invocations")
    answered: dict[str, list[float]] = {}
    for before, after in itertools.pairwise(turns):
        if before["session_id"] == after["session_id"] and (before["speaker"], after["speaker"]) == ("user", "agent"):
            answered.setdefault(after["engine"], []).append(after["latency_ms"])
    stops = [row["stop_latency_ms"] for row in barge_ins if row["stop_latency_ms"] is not None]
    return {
        "sessions": len(talks),
        "turns": len(turns),
        "tool_invocations": len(tools),
        "tool_success": sum(row["status"] == "success" for row in tools),
        "barge_ins": {outcome: sum(row["outcome"] == outcome for row in barge_ins) for outcome in ("yielded", "ignored", "censored")},
        "median_stop_latency_ms": statistics.median(stops) if stops else None,
        "answered": {engine: len(latencies) for engine, latencies in answered.items()},
        "median_reply_ms": {engine: statistics.median(latencies) for engine, latencies in answered.items()},
        "personas": {
            name: sum(row["persona"] == name for row in talks.values()) for name in sorted({row["persona"] for row in talks.values()})
        },
    }


async def make(out: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(data_dir=Path(scratch), test_engines=True, personas_dir=None, _env_file=None)  # type: ignore[call-arg]
        bench = await assemble(settings, progress=print)
        try:
            for number, script in enumerate(SCRIPTS, start=1):
                print(f"{number} of {len(SCRIPTS)}: {script.persona} on {script.engine}")
                await hold(bench, script)
            await asyncio.to_thread(bench.store.flush)
            done = await asyncio.to_thread(export, bench.store, settings.audio_dir, out, replace=True)
            (out / "known.json").write_text(json.dumps(known(bench.store), indent=1) + "\n", "utf-8")
        finally:
            await bench.close()
    print(f"{done.folder}: {done.bytes / 1e6:.1f} MB, {done.rows}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SAMPLE, help="folder of the export")
    asyncio.run(make(parser.parse_args().out))


if __name__ == "__main__":
    main()
