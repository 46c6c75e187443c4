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


@dataclass(frozen=True, slots=True)
class Table:
    """A frame that is shown as a table, and kept as it is in a file. `name`: what the file is called, in letters and underscores."""

    name: str
    frame: pd.DataFrame
    caption: str = ""

    @property
    def html(self) -> str:
        return table_html(self.frame, caption=self.caption)

    @property
    def columns(self) -> list[str]:
        """Of the frame, those that are shown; a column that ends an interval is shown in the one that begins it."""
        return [name for name in self.frame.columns if name in COLUMNS]

    @property
    def cells(self) -> list[list[str]]:
        """What is shown, row by row: plain text."""
        return [[_cell(row, name) for name in self.columns] for _number, row in self.frame.iterrows()]

    @property
    def csv(self) -> str:
        """Every column and every digit. A text that a spreadsheet would take for a formula is quoted with an apostrophe."""
        kept = self.frame.map(lambda value: f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value)
        return str(kept.to_csv(index=False, lineterminator="\n"))


_FORMULA = tuple("=+-@\t\r")
"""How a cell begins that spreadsheets calculate (OWASP, CSV injection)."""


def table_html(found: pd.DataFrame, *, caption: str = "") -> str:
    """The frame as a table; columns that `COLUMNS` does not know are left out."""
    table = Table("", found, caption)
    sides = [' class="text"' if is_text(found[name]) else "" for name in table.columns]
    head = "".join(f"<th{side}>{html.escape(COLUMNS[name].heading)}</th>" for name, side in zip(table.columns, sides, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{side}>{html.escape(cell)}</td>" for cell, side in zip(row, sides, strict=True)) + "</tr>"
        for row in table.cells
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


def is_text(values: pd.Series) -> bool:
    """Whether a column holds words, which are read from the left."""
    return not (pd.api.types.is_numeric_dtype(values) or values.isna().all())
