"""Holds the talks of the sample and exports them: `python data/make_sample.py`. Nothing in the sample is written by hand.

Each is a scenario of the shipped suite `core`, held in virtual time through the same workbench that serves: classic engine, recogniser,
tools. Three are held in real time, so that frames have deadlines. A few go to the `echo` engine, which repeats the user. Work is charged
to session time as it was measured, so the latencies are those of the machine that ran this, and another run gives others.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.hold import hold
from evaluation.scenario import Scenario
from evaluation.scenario_files import load_suite
from workbench.assembly import Workbench, assemble
from workbench.clock import FastClock, RealtimeClock
from workbench.settings import Settings
from workbench.store.base import Store
from workbench.store.export import ExportOptions, export

SAMPLE = Path(__file__).resolve().parent / "sample"
SUITE = "core"


@dataclass(frozen=True, slots=True)
class Talk:
    """One talk: who is talked to, and by which scenario."""

    persona: str
    scenario: str
    engine: str = "classic"
    realtime: bool = False
    """At the pace of a live talk, so that frames have deadlines."""
    recording: bool = False
    """With its sound."""


def _talks(persona: str, scenarios: str, engine: str = "classic") -> tuple[Talk, ...]:
    return tuple(Talk(persona, name, engine) for name in scenarios.split())


TALKS = (
    *_talks("myca", "tool-time tool-two-in-one-talk tool-broken-into interrupt-new-question interrupt-stop"),
    *_talks("myca", "backchannel-mm-hm pause-um turn-three-questions noise-pink"),
    *_talks("assistant", "tool-time tool-sum-in-two-parts tool-two-in-one-talk tool-broken-into interrupt-twice"),
    *_talks("assistant", "backchannel-yeah-right pause-number turn-quick-reply noise-voice-behind"),
    *_talks("customer-service", "service-own-name service-price service-refund service-rude-caller interrupt-correction"),
    *_talks("customer-service", "long-caller-name interrupt-at-once turn-after-a-long-one pause-breath"),
    *_talks("casual", "turn-three-questions interrupt-new-question interrupt-twice backchannel-of-the-agent"),
    *_talks("casual", "pause-thinking noise-to-somebody-else turn-goodbye"),
    *_talks("casual", "turn-first-question backchannel-of-the-agent pause-number", "echo"),
    *_talks("myca", "pause-um turn-after-a-long-one", "echo"),
    Talk("myca", "tool-broken-into", realtime=True, recording=True),
    Talk("assistant", "interrupt-new-question", realtime=True, recording=True),
    Talk("customer-service", "service-refund", realtime=True, recording=True),
)


async def hold_all(bench: Workbench, suite: dict[str, Scenario]) -> None:
    """One talk after the other. The number of a talk is its seed."""
    for number, talk in enumerate(TALKS, start=1):
        print(f"{number} of {len(TALKS)}: {talk.scenario} with {talk.persona} on {talk.engine}")
        await hold(
            bench,
            suite[talk.scenario],
            persona=talk.persona,
            engine=talk.engine,
            seed=number,
            clock=RealtimeClock() if talk.realtime else FastClock(),
            recording=talk.recording,
        )


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
    suite = {scenario.id: scenario for scenario in load_suite(SUITE)}
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(data_dir=Path(scratch), test_engines=True, personas_dir=None, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings
        bench = await assemble(settings, progress=print)
        try:
            await hold_all(bench, suite)
            await asyncio.to_thread(bench.store.flush)
            done = await asyncio.to_thread(export, bench.store, settings.audio_dir, out, ExportOptions(audio=True), replace=True)
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
