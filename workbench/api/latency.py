"""Latency and barge-ins over stored talks: the figures and tables of the reports as JSON, as CSV and as a page of their own."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from plotly.io.json import to_json_plotly
from pydantic import BaseModel, Field

from workbench.analysis.page import page, plain, templates
from workbench.analysis.report import Section
from workbench.analysis.tables import COLUMNS, Table, is_text
from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.reports import Asked, Made, Window
from workbench.store import queries
from workbench.store.base import Store

router = APIRouter(prefix="/api/latency", tags=["analysis"])

DOWNLOAD_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; sandbox allow-scripts"
"""The report needs nothing but itself, also where a browser shows it instead of keeping it."""


class Column(BaseModel):
    """One column of a table."""

    name: str
    heading: str = Field(description="With the unit, and an arrow where more or less is better.")
    text: bool = Field(description="Words, not numbers.")


class TableAnswer(BaseModel):
    """A table as it is shown; all its digits are in the CSV file of its name."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[str]] = Field(description="Plain text; a dash where nothing is known.")


class SectionAnswer(BaseModel):
    """A part of the report."""

    title: str
    text: str
    figures: list[dict[str, Any]] = Field(description="Plotly's `data` and `layout`, without a template.")
    tables: list[TableAnswer]


class Choice(BaseModel):
    """An engine or a persona that stored talks had."""

    name: str
    talks: int


class LatencyAnswer(BaseModel):
    """The whole report, and what else can be asked for."""

    facts: dict[str, str]
    talks: int = Field(description="In this report: talks that are over and fit what was asked for.")
    total: int = Field(description="All talks that are over.")
    engines: list[Choice]
    personas: list[Choice]
    sections: list[SectionAnswer]
    templates: dict[str, Any] = Field(description="Plotly templates, `light` and `dark`.")
    made_at: datetime = Field(description="At most 10 s ago.")
    took_ms: float = Field(description="To make it, ms.")


def _asked(
    window: Annotated[Window, Query(description="How far back; `since` and `until` go before it.")] = "all",
    since: Annotated[date | None, Query(description="First day, UTC.")] = None,
    until: Annotated[date | None, Query(description="Last day, UTC.")] = None,
    engine: Annotated[str | None, Query(max_length=64, description="Only talks on this engine.")] = None,
    persona: Annotated[str | None, Query(max_length=64, description="Only talks with this persona.")] = None,
) -> Asked:
    return Asked(window, since, until, engine or None, persona or None)


Wanted = Annotated[Asked, Depends(_asked)]


async def _made(context: Context, asked: Asked) -> Made:
    try:
        return await context.reports.get(asked)
    except ValueError as error:
        raise ApiError(400, "bad_request", f"{error}.") from error


@router.get("", response_class=Response, responses={200: {"model": LatencyAnswer}, **errors(400, 503)})
async def latency(context: Ctx, asked: Wanted) -> Response:
    """How long answers take and what becomes of barge-ins, over the talks that are asked for."""
    made = await _made(context, asked)
    return Response(await asyncio.to_thread(_answer, made, context.workbench.store), media_type="application/json")


def _answer(made: Made, store: Store) -> str:
    choices = queries.talk_counts(store)
    told: str = to_json_plotly(
        {
            "facts": made.report.facts,
            "talks": made.talks,
            "total": sum(choices["engines"].values()),
            **{kind: [{"name": name, "talks": talks} for name, talks in found.items()] for kind, found in choices.items()},
            "sections": [_section(section) for section in made.report.sections],
            "templates": templates(),
            "made_at": made.made_at.isoformat(timespec="seconds"),
            "took_ms": round(made.took_ms, 1),
        }
    )
    return told


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "text": section.text,
        "figures": [plain(figure) for figure in section.figures],
        "tables": [_table(table).model_dump() for table in section.kept],
    }


def _table(table: Table) -> TableAnswer:
    columns = [Column(name=name, heading=COLUMNS[name].heading, text=is_text(table.frame[name])) for name in table.columns]
    return TableAnswer(name=table.name, caption=table.caption, columns=columns, rows=table.cells)


@router.get("/tables/{name}.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}, **errors(400, 404, 503)})
async def table_file(context: Ctx, asked: Wanted, name: str) -> Response:
    """One table with every column and every digit."""
    made = await _made(context, asked)
    tables = {table.name: table for section in made.report.sections for table in section.kept}
    if name not in tables:
        raise ApiError(404, "unknown_table", f"There is no table called {name[:64]!r}. Known: {', '.join(tables)}.")
    return Response(tables[name].csv, media_type="text/csv; charset=utf-8", headers=_attachment(f"{name}.csv"))


@router.get("/report.html", response_class=Response, responses={200: {"content": {"text/html": {}}}, **errors(400, 503)})
async def report_file(context: Ctx, asked: Wanted) -> Response:
    """The whole report as one page that needs no network."""
    made = await _made(context, asked)
    written = await asyncio.to_thread(page, made.report)
    headers = {"content-security-policy": DOWNLOAD_POLICY, **_attachment("latency.html")}
    return Response(written, media_type="text/html; charset=utf-8", headers=headers)


def _attachment(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
