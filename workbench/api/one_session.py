"""One stored session: what a replay of it needs, its sound, what people thought of it, and its deletion."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from workbench.analysis.replay import replay
from workbench.analysis.source import AnalysisError, StoreSource
from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.api.session_table import TableRow, table_row
from workbench.store import queries, ratings, session_table
from workbench.store.base import Store
from workbench.store.recorder import is_id

router = APIRouter(tags=["sessions"])


class Span(BaseModel):
    """A stretch of session time, ms."""

    start_ms: float
    end_ms: float


class Phrase(Span):
    """Words with their place."""

    speaker: Literal["user", "agent"]
    text: str
    forced: bool = Field(description="Words that were given to the agent.")


class LateFrame(BaseModel):
    """A frame that left more than 80 ms after its time."""

    at_ms: float
    late_ms: float
    total_ms: float


class ReplayAnswer(BaseModel):
    """Where everything lay in session time; turns, tools, decisions and barge-ins are in `GET /voice/sessions/{session_id}`."""

    session_id: str
    length_ms: float
    user: list[Span] = Field(description="Speech of the user.")
    agent: list[Span] = Field(description="Speech of the agent.")
    overlaps: list[Span]
    phrases: list[Phrase]
    forced: list[Span] = Field(description="Speech of words that were given to the agent.")
    late_frames: list[LateFrame] | None = Field(description="null in virtual time, where no frame has a time by which it must leave.")
    lost: list[Span] = Field(description="Sound of the user that nobody heard.")
    row: TableRow = Field(description="As the table of sessions has it.")
    summary: dict[str, Any] | None = Field(description="The talk in numbers, as `workbench.dynamics` counts; null while it has no length.")


class Rating(BaseModel):
    """What somebody thought of a session."""

    rating_id: str
    rated_at: datetime
    rater: str
    stars: int | None
    note: str
    trial_id: str | None = Field(description="The blind trial that it was a vote in; null for stars and notes.")
    preferred: bool | None = Field(description="Whether this was the better one of the trial; null where neither was, and outside trials.")


class RatingsAnswer(BaseModel):
    """All of them, the newest first."""

    ratings: list[Rating]


class RatingRequest(BaseModel):
    """A judgement: stars, a note, or both."""

    model_config = ConfigDict(extra="forbid")
    rater: str = Field(max_length=80, description="Who judges, as they call themselves.")
    stars: int | None = Field(default=None, ge=1, le=ratings.STARS_MAX)
    note: str = Field(default="", max_length=2_000)


class DeletedAnswer(BaseModel):
    """A session is gone: its rows and its sound."""

    success: Literal[True] = True
    session_id: str


@router.get("/api/sessions/{session_id}/replay", responses=errors(404, 503))
async def replay_session(context: Ctx, session_id: str) -> ReplayAnswer:
    """One session, going on or over, as far as it is written down."""
    rows = await asyncio.to_thread(session_table.rows, context.workbench.store, [session_id])
    if not rows:
        raise _unknown()
    try:
        found = await asyncio.to_thread(replay, _source(context), session_id)
    except AnalysisError as error:
        # It was deleted between the two questions.
        raise _unknown() from error
    return ReplayAnswer(session_id=session_id, row=table_row(rows[0], context.workbench.here), **asdict(found))


@router.get("/api/sessions/{session_id}/audio", response_class=FileResponse, responses=errors(404, 503))
async def session_audio(context: Ctx, session_id: str) -> FileResponse:
    """The stereo recording as FLAC: left the user, right the agent. Byte ranges are answered, so that a player can jump."""
    await _there(context, session_id)
    path = _source(context).recording(session_id)
    if path is None:
        await _sound_is_here(context, session_id, 404)
        raise ApiError(404, "no_recording", "This session has no recording: it was off, is still being joined, or its file is gone.")
    return FileResponse(path, media_type="audio/flac", filename=path.name, content_disposition_type="inline")


@router.get("/api/sessions/{session_id}/ratings", responses=errors(404, 503))
async def list_ratings(context: Ctx, session_id: str) -> RatingsAnswer:
    """What people thought of a session."""
    await _there(context, session_id)
    return await _ratings(context.workbench.store, session_id)


@router.post("/api/sessions/{session_id}/ratings", status_code=201, responses=errors(400, 403, 404, 503), dependencies=[OWN_PAGE])
async def rate_session(context: Ctx, session_id: str, wanted: RatingRequest) -> RatingsAnswer:
    """Keeps a judgement; answers with all of them. Earlier ones of the same person stay, only their stars count no more."""
    await _there(context, session_id)
    store = context.workbench.store
    try:
        await asyncio.to_thread(ratings.rate, store, session_id, **wanted.model_dump())
    except ValueError as error:
        raise ApiError(400, "bad_request", str(error)) from error
    return await _ratings(store, session_id)


@router.delete("/api/sessions/{session_id}", responses=errors(403, 404, 409, 503), dependencies=[OWN_PAGE])
async def delete_session(context: Ctx, session_id: str) -> DeletedAnswer:
    """Deletes a session that is over, rows and sound, for ever."""
    if (await _there(context, session_id))["is_active"]:
        raise ApiError(409, "going_on", "This session goes on. End it first; then it can be deleted.")
    workbench = context.workbench
    await _sound_is_here(context, session_id, 409)
    await asyncio.to_thread(queries.delete_session, workbench.store, workbench.settings.audio_dir, session_id)
    return DeletedAnswer(session_id=session_id)


def _source(context: Context) -> StoreSource:
    return StoreSource(context.workbench.store, context.workbench.settings.audio_dir)


async def _there(context: Context, session_id: str) -> dict[str, Any]:
    """Its row. 404 for a session that is not there, and for what is no id at all."""
    query = "SELECT session_id, is_active FROM voice_sessions WHERE session_id = $1"
    found = await asyncio.to_thread(context.workbench.store.query, query, [session_id]) if is_id(session_id) else []
    if not found:
        raise _unknown()
    return found[0]


async def _sound_is_here(context: Context, session_id: str, status: int) -> None:
    """Answers with `status` where another process keeps the recording."""
    workbench = context.workbench
    try:
        await asyncio.to_thread(queries.check_sound_is_here, workbench.store, workbench.settings.audio_dir, session_id, workbench.here)
    except queries.SoundElsewhereError as error:
        raise ApiError(status, "recording_elsewhere", str(error)) from error


def _unknown() -> ApiError:
    return ApiError(404, "unknown_session", "There is no session of this id. GET /api/sessions lists them.")


async def _ratings(store: Store, session_id: str) -> RatingsAnswer:
    return RatingsAnswer(ratings=[Rating.model_validate(row) for row in await asyncio.to_thread(ratings.ratings, store, session_id)])
