"""What `gpu_step` finds, and its tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.table import percentile, table
from workbench.audio.frames import FRAME_MS


@dataclass
class Step:
    """Steps of one batch size."""

    batch: int
    n: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    floor_ms: float | None = None
    weights_gib: float | None = None
    kv_slot_gib: float | None = None
    allocated_gib: float | None = None
    ready_cold_ms: float | None = None
    ready_known_ms: float | None = None
    fault: str = ""


@dataclass
class Hold:
    """Talks held for a while, with a stranger joining about once a second."""

    talks: int
    ticks: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    late: int = 0
    """Ticks whose answer was out more than 80 ms after its frame was due."""
    cold_ms: list[float] = field(default_factory=list)
    known_ms: list[float] = field(default_factory=list)
    fault: str = ""

    @property
    def held(self) -> str:
        return self.fault or ("yes" if self.p99_ms is not None and self.p99_ms < FRAME_MS else "no")


def as_markdown(steps: list[Step], holds: list[Hold]) -> str:
    """The two tables."""
    timed = ("talks", "n", "step p50 ms ↓", "p99 ms ↓", "floor ms", "p50 / floor ↓")
    others = ("weights GiB", "GiB a talk", "CUDA peak GiB", "ready cold ms ↓", "known ms ↓")
    rows: list[list[float | int | str | None]] = []
    for step in steps:
        ratio = step.p50_ms / step.floor_ms if step.p50_ms and step.floor_ms else None
        figures = [step.p50_ms, step.p99_ms, step.floor_ms, ratio, step.weights_gib, step.kv_slot_gib, step.allocated_gib]
        rows.append([step.batch, step.n, *figures, step.ready_cold_ms, step.ready_known_ms if not step.fault else step.fault])
    tables = [table((*timed, *others), rows, 2)]
    if holds:
        answers = ("talks", "n ticks", "answer p50 ms ↓", "p99 ms ↓", "late ↓", "held")
        lines: list[list[float | int | str | None]] = []
        for hold in holds:
            cold, known = hold.cold_ms, hold.known_ms
            ready = [len(cold), percentile(cold, 50), percentile(cold, 95), len(known), percentile(known, 50), percentile(known, 95)]
            lines.append([hold.talks, hold.ticks, hold.p50_ms, hold.p99_ms, hold.late, hold.held, *ready])
        more = ("n cold", "ready p50 ms ↓", "p95 ms ↓", "n known", "ready p50 ms ↓", "p95 ms ↓")
        tables.append(table((*answers, *more), lines, 1))
    return "\n\n".join(tables)
