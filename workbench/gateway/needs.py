"""What the published 7B model takes of a CUDA device in each memory mode: counted from its shapes by `memory.predict`, and written down
here for those who ask without torch. A test counts again."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.gateway.modes import MemoryMode


@dataclass(frozen=True, slots=True)
class Need:
    """Memory in MiB, with CUDA's own share."""

    mode: MemoryMode
    one_mib: int
    """For the model and one talk."""
    talk_mib: int
    """For every further talk."""


NEEDS = (
    Need(MemoryMode(), 19_086, 1_517),
    Need(MemoryMode("int8"), 12_307, 1_516),
    Need(MemoryMode("int8", "fp8"), 10_854, 813),
    Need(MemoryMode("int8", "fp8", 1_500), 10_080, 415),
    Need(MemoryMode("int8", "fp8", 1_500, cpu_offload=True), 4_197, 415),
)
"""Each takes less than the one before, and costs more of something else."""


def fitting(free_mib: int) -> tuple[Need, int] | None:
    """The first mode in which the model and a talk have room, and how many talks have; None when there is none."""
    for need in NEEDS:
        if need.one_mib <= free_mib:
            return need, 1 + (free_mib - need.one_mib) // need.talk_mib
    return None
