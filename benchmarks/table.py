"""Percentiles and Markdown tables, the same for every benchmark."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

import numpy as np


def percentile(values: Sequence[float], q: float) -> float | None:
    """The q-th percentile, None of nothing."""
    return float(np.percentile(values, q)) if len(values) else None


def cell(value: float | int | str | None, digits: int = 0) -> str:
    """A figure as it stands in a table; a dash where nothing was measured."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def table(head: Sequence[str], rows: Sequence[Sequence[float | int | str | None]], digits: int = 0) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell(value, digits) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """What the figures were taken on, and how busy it was."""
    load = os.getloadavg()
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load[0]:.1f} over the last minute"
