"""How many talks with the classic engine and its embedded parts one machine holds in real time.

    uv run python -m benchmarks.concurrency [--most 12] [--seconds 30]

Real clips play the users over the WebSocket (a clip, 3 s of pause, the next), against a `workbench serve` of its own with pocketsphinx;
1, 2, 3, ... talks, a fresh server for each number. A number is held when

* p99 of how late a frame left is at most 80 ms (from the server's own histogram, so the limits are those of its buckets), and
* the recogniser keeps up: p90 from the end of an utterance's last word to its words is at most 2 s, and no sound was dropped, and
* no talk was lost.

The first number that is not held ends the run; a number is not judged while other programs take more than 30 % of a core. Users run on
the same machine and their CPU is not in the server's shares, so what is printed is what a machine holds that carries its users as well.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.children import FOREIGN_AT_MOST, SERVE, busy_s, child, cpu_s, server
from benchmarks.table import machine, percentile, table

LATE_S = 0.08
LATE_SHARE = 0.99
WORDS_WITHIN_MS = 2_000.0
BEHIND = ("asr_backlog", "asr_failed")
"""Notices that say that the recogniser could not follow."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one number of talks did."""

    talks: int
    seconds: float
    server_cpu: float
    """Share of one core."""
    asr_cpu: float
    on_time: float
    """Share of frames that left at most 80 ms late."""
    words_ms: list[float]
    lost: int
    """Talks that ended before their users hung up."""
    behind: int
    """Notices that the recogniser was too slow or failed."""
    foreign: float
    """Cores that others than server and users kept busy."""

    @property
    def verdict(self) -> str:
        if self.foreign > FOREIGN_AT_MOST:
            return "not judged"
        p90 = percentile(self.words_ms, 90)
        held = self.on_time >= LATE_SHARE and p90 is not None and p90 <= WORDS_WITHIN_MS and not self.behind and not self.lost
        return "yes" if held else "no"


class Cpu:
    """CPU of the server and its recognisers, also of those that end meanwhile: read often, the last reading counts."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._spent: dict[int, float] = {}
        self._asr: set[int] = set()

    def read(self) -> None:
        for one in [self._process, *self._process.children(recursive=True)]:
            try:
                if any("pocketsphinx_worker" in part for part in one.cmdline()):
                    self._asr.add(one.pid)
                self._spent[one.pid] = cpu_s(one)
            except psutil.NoSuchProcess:
                continue

    @property
    def total(self) -> float:
        return sum(self._spent.values())

    @property
    def asr(self) -> float:
        return sum(self._spent[pid] for pid in self._asr)


def on_time(metrics: str) -> float:
    """The share of frames in the buckets up to 80 ms."""
    for family in text_string_to_metric_families(metrics):
        if family.name == "workbench_frame_lateness_seconds":
            buckets = {float(sample.labels["le"]): sample.value for sample in family.samples if sample.name.endswith("_bucket")}
            return buckets[LATE_S] / buckets[float("inf")]
    raise SystemExit("/metrics tells no workbench_frame_lateness_seconds")


def run(talks: int, seconds: int) -> Round:
    settings = {"WORKBENCH_CLASSIC_SESSIONS": "64", "WORKBENCH_MAX_SESSIONS": "64", "WORKBENCH_ASR": "pocketsphinx"}
    users = ("--talks", str(talks), "--seconds", str(seconds), "--query", "engine=classic")
    with server(SERVE, **settings) as (url, process):
        cpu = Cpu(process)
        cpu.read()
        before, before_asr = cpu.total, cpu.asr
        busy, began_s = busy_s(), time.perf_counter()
        with child(("-m", "benchmarks.users", "--url", url, *users)) as talking:
            users_s = 0.0
            while talking.poll() is None:
                time.sleep(0.25)
                cpu.read()
                with suppress(psutil.NoSuchProcess):
                    users_s = cpu_s(psutil.Process(talking.pid))
            took_s = time.perf_counter() - began_s
            out, _ = talking.communicate()
        if talking.returncode:
            raise SystemExit(f"the users failed with {talks} talks")
        foreign = (busy_s() - busy - (cpu.total - before) - users_s) / took_s
        late = on_time(httpx.get(f"{url}/metrics").text)
    heard = json.loads(out)["talks"]
    return Round(
        talks,
        took_s,
        (cpu.total - before) / took_s,
        (cpu.asr - before_asr) / took_s,
        late,
        [words_ms for one in heard for words_ms in one["words_after_ms"]],
        sum(bool(one["lost"]) for one in heard),
        sum(code in BEHIND for one in heard for code in one["notices"]),
        max(0.0, foreign),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    print(machine())
    rounds: list[Round] = []
    for talks in range(1, options.most + 1):
        rounds.append(run(talks, options.seconds))
        if rounds[-1].verdict == "no":
            break
    rows = [
        (
            one.talks,
            one.server_cpu * 100,
            one.server_cpu * 100 / one.talks,
            100 * one.asr_cpu / one.server_cpu,
            100 * one.on_time,
            len(one.words_ms),
            percentile(one.words_ms, 50),
            percentile(one.words_ms, 90),
            one.lost,
            one.behind,
            one.foreign * 100,
            one.verdict,
        )
        for one in rounds
    ]
    head = (
        "talks",
        "CPU, % of a core",
        "a talk",
        "of it ASR, %",
        "frames at most 80 ms late, %",
        "n utterances",
        "words after p50 ms",
        "p90 ms",
        "talks lost",
        "ASR behind",
        "others' CPU, % of a core",
        "held",
    )
    print(table(head, rows, digits=1))
    held = max((one.talks for one in rounds if one.verdict == "yes"), default=0)
    if any(one.verdict == "not judged" for one in rounds):
        print("\nNot judged: other programs took CPU that the talks need; run it again on a quiet machine.")
    else:
        print(f"\nHeld: {held} talks on {os.cpu_count()} cores, {held / (os.cpu_count() or 1):.1f} a core.")
    print(machine())


if __name__ == "__main__":
    main()
