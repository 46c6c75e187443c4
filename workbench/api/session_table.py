"""The table of sessions, searched, filtered, sorted and paged."""

from __future__ import annotations

import asyncio
import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from workbench.api.context import Ctx
from workbench.api.errors import errors
from workbench.store import session_table
from workbench.store.base import Store
from workbench.store.processes import Process, held_elsewhere
from workbench.store.session_table import Wanted

router = APIRouter(tags=["sessions"])

PAGE_ROWS = 50

Sort = Literal["started", "length", "persona", "engine", "turns", "tools", "barge_ins", "latency", "rating"]


class TableRow(BaseModel):
    """One session of the table."""

    session_id: str
    persona: str | None
    engine: str | None
    transport: str | None
    pace: str | None
    started_at: datetime.datetime
    is_active: bool
    ended_reason: str | None
    length_s: float | None = Field(description="null while it goes on.")
    has_audio: bool
    turn_count: int
    latency_p50_ms: float | None = Field(
        description="Median floor-transfer offset of the agent's turns, overlaps negative; null without any."
    )
    latency_n: int = Field(description="Replies that the median is over.")
    tool_count: int
    barge_in_count: int
    rating: float | None = Field(description="Mean stars over those who rated it, the newest of each; null without any.")
    raters: int
    opening: str | None = Field(description="The user's first words.")
    held_by: str | None = Field(description="Another process that holds it while it goes on; null when it is this one, or it is over.")


def table_row(row: dict[str, Any], here: Process) -> TableRow:
    """As `workbench.store.session_table` gives it."""
    return TableRow.model_validate(row | {"held_by": held_elsewhere(row, here)})


class TableAnswer(BaseModel):
    """One page of the table, and what the filters can offer."""

    sessions: list[TableRow]
    total: int = Field(description="Sessions that are wanted, on this page and on others.")
    stored: int = Field(description="Sessions that there are at all.")
    personas: list[str]
    engines: list[str]


class TableQuery(BaseModel):
    """What a page of the table asks for; the page's own address holds the same names."""

    search: str = Field(default="", max_length=200, description="In the id, persona, words, tools and notes; case does not count.")
    persona: str | None = None
    engine: str | None = None
    day: datetime.date | None = Field(default=None, description="On which it began, UTC.")
    tool: bool | None = Field(default=None, description="Whether a tool was asked for.")
    barge_in: bool | None = Field(default=None, description="Whether the user broke in.")
    rated: bool | None = None
    rating_min: float | None = Field(default=None, ge=1, le=5)
    active: bool | None = Field(default=None, description="Whether it goes on.")
    sort: Sort = "started"
    descending: bool = True
    limit: int = Field(default=PAGE_ROWS, ge=1, le=200)
    offset: int = Field(default=0, ge=0)


@router.get("/api/sessions", responses=errors(400, 503))
async def find_sessions(context: Ctx, query: Annotated[TableQuery, Query()]) -> TableAnswer:
    """Stored sessions, going on or over, a page at a time. When the store cannot be read the answer is 503, never an empty list."""
    return await asyncio.to_thread(_find, context.workbench.store, context.workbench.here, query)


def _find(store: Store, here: Process, query: TableQuery) -> TableAnswer:
    asked = query.model_dump()
    how = {name: asked.pop(name) for name in ("sort", "descending", "limit", "offset")}
    page = session_table.find(store, Wanted(**asked), **how)
    (stored,) = store.query("SELECT count(*) AS n FROM voice_sessions")
    sessions = [table_row(row, here) for row in page.rows]
    return TableAnswer(sessions=sessions, total=page.total, stored=stored["n"], **session_table.choices(store))
