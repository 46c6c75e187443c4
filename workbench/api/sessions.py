"""The sessions there are: the original's `/api/mas/voice/sessions`, and `/voice/sessions`, which its page asked for in vain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from workbench.api.context import Context, Ctx
from workbench.api.duplex import reserve
from workbench.api.errors import ApiError, errors
from workbench.api.models import EndedAnswer, SessionAnswer, SessionDetail, SessionRequest, SessionRow, SessionsAnswer, Stats
from workbench.api.own_page import OWN_PAGE
from workbench.store import queries
from workbench.store.base import Store
from workbench.store.processes import held_elsewhere

router = APIRouter(tags=["sessions"])

Everything = Annotated[bool, Query(alias="all", description="Also sessions that are over.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="Most sessions in the answer.")]


@router.get("/api/mas/voice/sessions", responses=errors(400, 503))
async def list_sessions(context: Ctx, everything: Everything = False, limit: Limit = 100) -> SessionsAnswer:
    """The sessions going on, and totals over all. When the store cannot be read the answer is 503, never an empty list."""
    return await asyncio.to_thread(_read, context.workbench.store, everything, limit)


def _read(store: Store, everything: bool, limit: int) -> SessionsAnswer:
    rows = queries.list_sessions(store, active=None if everything else True, limit=limit)
    return SessionsAnswer(
        sessions=[SessionRow.model_validate(row) for row in rows], stats=Stats(**queries.stats(store)), timestamp=datetime.now(UTC)
    )


@router.delete("/api/mas/voice/sessions", responses=errors(400, 403, 404, 409, 503), dependencies=[OWN_PAGE])
async def end_session(context: Ctx, session_id: str | None = None) -> EndedAnswer:
    """Ends a session that goes on, or takes back a reservation."""
    if not session_id:
        raise ApiError(400, "bad_request", "session_id required")
    return await _end(context, session_id)


async def _end(context: Context, session_id: str) -> EndedAnswer:
    if not (await context.entrance.end(session_id) or await context.text_talks.end(session_id)):
        found = await asyncio.to_thread(queries.get_session, context.workbench.store, session_id)
        if found is not None and (other := held_elsewhere(found, context.workbench.here)) is not None:
            raise ApiError(409, "held_elsewhere", f"This session is held by {other}. End it there.")
        raise ApiError(404, "unknown_session", "No session of this id goes on. GET lists those that do.")
    return EndedAnswer(session_id=session_id, ended_at=datetime.now(UTC))


@router.get("/voice/sessions", responses=errors(400, 503))
async def list_mas_sessions(context: Ctx, everything: Everything = False, limit: Limit = 100) -> SessionsAnswer:
    """As `/api/mas/voice/sessions`."""
    return await list_sessions(context, everything, limit)


@router.post("/voice/sessions", status_code=201, responses=errors(400, 404, 409, 503))
async def register(context: Ctx, request: Request, wanted: SessionRequest) -> SessionAnswer:
    """Reserves a session, under an id of the caller's own if it gives one."""
    return await reserve(context, request, wanted)


@router.get("/voice/sessions/{session_id}", responses=errors(404, 503))
async def one_session(context: Ctx, session_id: str) -> SessionDetail:
    """One session, going on or over, as far as it is written down: at most 2 s behind."""
    found = await asyncio.to_thread(queries.get_session, context.workbench.store, session_id)
    if found is None:
        raise ApiError(404, "unknown_session", "There is no session of this id. GET /voice/sessions?all=true lists them.")
    return SessionDetail.model_validate(found | {"held_by": held_elsewhere(found, context.workbench.here)})


@router.delete("/voice/sessions/{session_id}", responses=errors(403, 404, 409, 503), dependencies=[OWN_PAGE])
async def end_mas_session(context: Ctx, session_id: str) -> EndedAnswer:
    """As `DELETE /api/mas/voice/sessions`."""
    return await _end(context, session_id)
