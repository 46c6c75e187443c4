"""Tables as HTML: headings with units and arrows towards the better direction, unknown shown as a dash, every text escaped."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd

UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is shown. `arrow`: `↓` or `↑` where less or more is better. `scale` multiplies the values before they are shown."""

    title: str
    digits: int = 0
    arrow: str = ""
    scale: float = 1.0

    @property
    def heading(self) -> str:
        return f"{self.title} {self.arrow}".strip()


COLUMNS = {
    "engine": Column("engine"),
    "persona": Column("persona"),
    "version": Column("version"),
    "action": Column("tool"),
    "stage": Column("stage"),
    "sessions": Column("talks"),
    "n": Column("n"),
    "median_ms": Column("median, ms", arrow="↓"),
    "low_ms": Column("95 % interval, ms"),
    "p95_ms": Column("p95, ms", arrow="↓"),
    "p99_ms": Column("p99, ms", arrow="↓"),
    "overlap_share": Column("in overlap, %", 1, scale=100.0),
    "unanswered": Column("unanswered"),
    "censored": Column("censored"),
    "unanswered_share": Column("unanswered, %", 1, "↓", 100.0),
    "missed": Column("over 80 ms", arrow="↓"),
    "missed_per_minute": Column("over 80 ms a minute", 2, "↓"),
    "late_p95_ms": Column("late p95, ms", 1, "↓"),
    "yielded": Column("yielded"),
    "ignored": Column("ignored"),
    "yield_share": Column("yielded of decided, %", 1, "↑", 100.0),
    "yield_low": Column("95 % interval, %", 1, scale=100.0),
    "stop_n": Column("stops"),
    "stop_median_ms": Column("stop median, ms", arrow="↓"),
    "stop_p95_ms": Column("stop p95, ms", arrow="↓"),
    "response_n": Column("replies after"),
    "response_median_ms": Column("reply median, ms", arrow="↓"),
    "calls": Column("calls"),
    "success_share": Column("success, %", 1, "↑", 100.0),
    "failed": Column("failed", arrow="↓"),
    "called_off": Column("called off"),
    "total_n": Column("spoken"),
    "total_median_ms": Column("words to result, median ms", arrow="↓"),
    "heard_share": Column("of it heard, %", 1, "↑", 100.0),
    "interrupted": Column("interrupted"),
    "title": Column("measure"),
    "unit": Column("unit"),
    "first": Column("first", 1),
    "second": Column("second", 1),
    "difference": Column("difference", 1),
    "value": Column("value", 1),
    "low": Column("95 % interval", 1),
    "verdict": Column("verdict"),
}
_ENDS = {"low_ms": "high_ms", "yield_low": "yield_high", "low": "high"}
"""The column that an interval begins in, and the one that it ends in: shown as one."""


def table_html(found: pd.DataFrame, *, caption: str = "") -> str:
    """The frame as a table; columns that `COLUMNS` does not know are left out."""
    names = [name for name in found.columns if name in COLUMNS]
    head = "".join(f"<th{_side(found[name])}>{html.escape(COLUMNS[name].heading)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td{_side(found[name])}>{html.escape(_cell(row, name))}</td>" for name in names) + "</tr>"
        for _number, row in found.iterrows()
    )
    told = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f'<table class="wb-table">{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(row: pd.Series, name: str) -> str:
    begins = shown(row[name], COLUMNS[name])
    if name not in _ENDS or begins == UNKNOWN:
        return begins
    return f"{begins} to {shown(row[_ENDS[name]], COLUMNS[name])}"


def shown(value: object, column: Column) -> str:
    """One value as a table shows it."""
    if value is None or (isinstance(value, float) and pd.isna(value)) or value is pd.NA:
        return UNKNOWN
    if isinstance(value, str):
        return value
    number = float(value) * column.scale  # type: ignore[arg-type]
    return f"{number:,.{column.digits}f}"


def _side(values: pd.Series) -> str:
    return "" if pd.api.types.is_numeric_dtype(values) or values.isna().all() else ' class="text"'
