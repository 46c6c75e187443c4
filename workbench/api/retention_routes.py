"""Removing what is too old or too much by hand; the command `retain` asks here while a server holds the store."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.store.retention import Rules, What

router = APIRouter(tags=["upkeep"])


class RetainRequest(BaseModel):
    """Rules other than those of the settings where they are given."""

    model_config = ConfigDict(extra="forbid")
    dry_run: bool = Field(default=True, description="Only tell what would go.")
    keep_days: float | None = Field(default=None, ge=0, le=36_500, description="Days; null: as the server is set.")
    keep_bytes: int | None = Field(default=None, ge=0, le=2**60, description="Bytes of recordings; null: as the server is set.")
    keep_rated: bool | None = Field(default=None, description="Whether rated talks stay; null: as the server is set.")


class Going(BaseModel):
    """One thing that goes."""

    what: What
    session_id: str
    started_at: datetime | None
    bytes: int = Field(description="Of its recording on this machine.")


class RetainAnswer(BaseModel):
    """What would go, or has gone."""

    dry_run: bool
    going: list[Going]
    talks: int
    sounds: int
    strays: int
    bytes: int
    failed: dict[str, str]


@router.post("/api/retain", responses=errors(400, 403, 503), dependencies=[OWN_PAGE])
async def retain_talks(context: Ctx, wanted: RetainRequest) -> RetainAnswer:
    """Removes what is too old or too much, or tells what would go."""
    rules = _rules(context, wanted)
    if not rules.any:
        raise ApiError(400, "bad_request", "Nothing says what to keep. Give keep_days or keep_bytes, or set WORKBENCH_KEEP_DAYS.")
    doomed, done = await context.retention.retain(rules, dry_run=wanted.dry_run)
    going = [Going(what=one.what, session_id=one.session_id, started_at=one.started_at, bytes=one.bytes) for one in doomed]
    return RetainAnswer(
        dry_run=wanted.dry_run,
        going=going,
        talks=done.talks,
        sounds=done.sounds,
        strays=done.strays,
        bytes=done.bytes,
        failed=done.failed,
    )


def _rules(context: Context, wanted: RetainRequest) -> Rules:
    settings = context.workbench.settings
    return Rules(
        settings.keep_days if wanted.keep_days is None else wanted.keep_days,
        settings.keep_bytes if wanted.keep_bytes is None else wanted.keep_bytes,
        settings.keep_rated if wanted.keep_rated is None else wanted.keep_rated,
    )
