"""What a load run does to those who serve it, minute by minute: frames and steps in time, CPU, memory, and the machine's own speed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.children import FOREIGN_AT_MOST, Served, busy_s, cpu_s, yardstick_ms
from benchmarks.concurrency import LATE_S, LATE_SHARE, Cpu


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of one moment."""

    at_s: float
    frames: float
    on_time: float
    steps: float
    missed: float
    server_s: float
    asr_s: float
    gateway_s: float
    users_s: float
    busy_s: float
    server_mib: float
    gateway_mib: float
    yardstick_ms: float


class Watch:
    """Reads what serves the users: a workbench, gateways, or one before the others."""

    def __init__(self, workbench: Served | None, models: Sequence[Served], users: psutil.Process) -> None:
        self._workbench = workbench
        self._models = models
        self._users = users
        self._cpu = Cpu(workbench[1]) if workbench else None
        self.kept: list[Reading] = []

    def look(self) -> None:
        """Often enough that no short-lived recogniser is missed."""
        if self._cpu is not None:
            self._cpu.read()

    def read(self) -> None:
        """One reading, kept."""
        self.look()
        told = figures(f"{self._workbench[0]}/metrics") if self._workbench else {}
        model = counted(self._models)
        asr_s = self._cpu.asr if self._cpu else 0.0
        self.kept.append(
            Reading(
                time.perf_counter(),
                told.get("workbench_frame_lateness_seconds_count", 0.0),
                told.get(f"workbench_frame_lateness_seconds_bucket le={LATE_S}", 0.0),
                model.get("gateway_step_seconds_count", 0.0),
                model.get("gateway_deadline_misses_total", 0.0),
                self._cpu.total - asr_s if self._cpu else 0.0,
                asr_s,
                sum(cpu_s(process) for _, process in self._models),
                cpu_s(self._users),
                busy_s(),
                mib(self._workbench) if self._workbench else 0.0,
                sum(map(mib, self._models)),
                yardstick_ms(),
            )
        )


def mib(server: Served) -> float:
    """Resident memory of a server's process."""
    return float(server[1].memory_info().rss / 2**20)


def counted(models: Sequence[Served]) -> Counter[str]:
    """Figures of all gateways together."""
    return sum((Counter(figures(f"{url}/metrics")) for url, _ in models), Counter())


def figures(url: str) -> dict[str, float]:
    """Every sample of a `/metrics` page by its name, buckets with their bound; samples with labels added up."""
    told: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(url, timeout=30.0).raise_for_status().text):
        for sample in family.samples:
            name = f"{sample.name} le={float(sample.labels['le'])}" if "le" in sample.labels else sample.name
            told[name] = told.get(name, 0.0) + sample.value
    return told


HEAD = (
    "minute",
    "n frames",
    "at most 80 ms late, % ↑",
    "n model steps",
    "at most 80 ms, % ↑",
    "workbench CPU, % of a core",
    "recognisers'",
    "gateways'",
    "users'",
    "others'",
    "workbench MiB",
    "gateways' MiB",
    "yardstick ms ↓",
    "held",
)


def windows(kept: Sequence[Reading]) -> list[tuple[float | int | str | None, ...]]:
    """A row for each window between two readings."""
    rows: list[tuple[float | int | str | None, ...]] = []
    for number, (before, after) in enumerate(pairwise(kept), start=1):
        took_s = after.at_s - before.at_s
        frames, steps = after.frames - before.frames, after.steps - before.steps
        ours = [getattr(after, name) - getattr(before, name) for name in ("server_s", "asr_s", "gateway_s", "users_s")]
        foreign = max(0.0, after.busy_s - before.busy_s - sum(ours)) / took_s
        on_time = (after.on_time - before.on_time) / frames if frames else None
        in_time = 1 - (after.missed - before.missed) / steps if steps else None
        shares = [share for share in (on_time, in_time) if share is not None]
        # Other programs can only make talks late: a window that was held beside them was held.
        held = "yes" if shares and min(shares) >= LATE_SHARE else "not judged" if foreign > FOREIGN_AT_MOST else "no"
        rows.append(
            (
                str(number),
                round(frames) or None,
                None if on_time is None else 100 * on_time,
                round(steps) or None,
                None if in_time is None else 100 * in_time,
                *(100 * spent / took_s for spent in ours),
                100 * foreign,
                after.server_mib or None,
                after.gateway_mib or None,
                after.yardstick_ms,
                held,
            )
        )
    return rows
