"""What an export holds beside the rows of the store, worked out once so that its readers need not: fields of the events' payloads as
columns of their own, and how many frames took how long. A million turns are 12 million JSON texts and 37 million frames.

The SQL is known to DuckDB and PostgreSQL alike. A source without these columns and tables (the store itself, an older export) is asked
for the same SQL, and takes longer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PayloadColumn:
    """The field `name` of the payload, of events of these `kinds`, as a column of the SQL type `type`; NULL for all other kinds."""

    name: str
    type: str
    kinds: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The column, over a table with `kind` and `payload`."""
        kinds = ", ".join(f"'{kind}'" for kind in self.kinds)
        field = f"payload->>'{self.name}'"
        value = field if self.type == "VARCHAR" else f"CAST({field} AS {self.type})"
        return f"CASE WHEN kind IN ({kinds}) THEN {value} END AS {self.name}"


EVENTS = "events"
"""The table that has the columns."""
PAYLOAD_COLUMNS = (
    PayloadColumn("edge", "VARCHAR", ("UserSpeech", "AgentSpeech")),
    PayloadColumn("final", "BOOLEAN", ("UserText",)),
    PayloadColumn("utterance_id", "VARCHAR", ("UserText", "IntentFound")),
    PayloadColumn("invocation_id", "VARCHAR", ("ToolStarted", "ToolFinished", "ToolFailed", "ResultDelivered")),
    PayloadColumn("stage", "VARCHAR", ("StageTiming",)),
    PayloadColumn("ms", "DOUBLE PRECISION", ("StageTiming",)),
)
"""None of them holds words that somebody said."""


def with_payload_columns(select: str, there: Collection[str] = ()) -> str:
    """SQL for the events of `select` with the columns that are not `there` yet."""
    missing = [column.sql for column in PAYLOAD_COLUMNS if column.name not in there]
    return f"SELECT *, {', '.join(missing)} FROM ({select}) AS told" if missing else select  # noqa: S608 - our own names


BINS_PER_MS = 10
"""Frame times are counted in bins of 0.1 ms: there are 45,000 frames in an hour of talk."""


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table worked out from exported ones by `sql`, which calls them by their exported names, `sources`, and joins each to `sessions`."""

    name: str
    sources: tuple[str, ...]
    sql: str
    columns: Mapping[str, str]
    """SQL types by name."""


def _counted(measure: str) -> str:
    return f"""
SELECT s.pace, f.engine, '{measure}' AS measure, CAST(ceil(f.{measure}_ms * {BINS_PER_MS}) AS INTEGER) AS bin, count(*) AS n
FROM frame_timings f JOIN sessions s ON s.session_id = f.session_id GROUP BY 1, 2, 4
"""  # noqa: S608 - our own names


FRAME_BINS = DerivedTable(
    "frame_bins",
    ("sessions", "frame_timings"),
    f"{_counted('total')} UNION ALL {_counted('late')}",
    {"pace": "VARCHAR", "engine": "VARCHAR", "measure": "VARCHAR", "bin": "INTEGER", "n": "BIGINT"},
)
"""How many frames lie in each bin up to, and with, `bin` / `BINS_PER_MS` ms. `measure`: `total` for `total_ms`, `late` for `late_ms`."""
DERIVED = (FRAME_BINS,)
