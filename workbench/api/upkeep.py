"""What needs the store while a server holds it: exporting talks, and scoring them again. The commands `export` and `rescore` ask here."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tarfile
import uuid
from datetime import datetime
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from workbench.api.context import Ctx
from workbench.api.errors import ApiError, errors
from workbench.store.base import Store, StoreError
from workbench.store.export import ExportOptions, export
from workbench.store.rescore import rescore

router = APIRouter(tags=["upkeep"])


class ExportRequest(BaseModel):
    """Which talks, and what of them. A field that is not known is an error: nobody should believe that words were left out."""

    model_config = ConfigDict(extra="forbid")
    since: AwareDatetime | None = Field(default=None, description="Talks begun at or after this time.")
    until: AwareDatetime | None = Field(default=None, description="Talks begun before this time.")
    personas: list[str] = Field(default=[], description="Only these personas.")
    engines: list[str] = Field(default=[], description="Only these engines.")
    sessions: list[str] = Field(default=[], description="Only these sessions.")
    words: Literal["keep", "redact", "blank"] = Field(default="keep", description="What becomes of all that was said.")
    prompts: bool = Field(default=True, description="With the prompts of the personas.")
    audio: bool = Field(default=False, description="With the recordings.")


class RescoreRequest(BaseModel):
    """Which talks to score again."""

    model_config = ConfigDict(extra="forbid")
    since: AwareDatetime | None = Field(default=None, description="Talks begun at or after this time.")
    every: bool = Field(default=False, description="Also those that were scored by today's definitions.")


class RescoreAnswer(BaseModel):
    """What came of it."""

    version: str = Field(description="The definitions that hold now.")
    changed: list[str] = Field(description="Sessions of which a row changed, came or went.")
    unchanged: int
    without_speech: int = Field(description="Conversations in text: nothing of them is derived.")
    failed: dict[str, str] = Field(description="Sessions left as they were, with the reason.")


@router.post("/api/export", response_class=FileResponse, responses=errors(400, 503))
async def export_talks(context: Ctx, wanted: ExportRequest) -> FileResponse:
    """The talks that are over as a tar archive of Parquet, one folder for each table, with `schema.json`."""
    options = ExportOptions(**wanted.model_dump())
    try:
        options.check()
    except StoreError as error:
        raise ApiError(400, "bad_request", str(error)) from error
    workbench = context.workbench
    archive = await asyncio.to_thread(_archive, workbench.store, workbench.settings.audio_dir, workbench.settings.data_dir, options)
    return FileResponse(archive, media_type="application/x-tar", filename="export.tar", background=BackgroundTask(archive.unlink))


def _archive(store: Store, audio_dir: Path, data_dir: Path, options: ExportOptions) -> Path:
    place = data_dir / "exports"
    place.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    archive = place / f"{name}.tar"
    folder = place / name
    try:
        export(store, audio_dir, folder, options)
        with tarfile.open(archive, "w") as tar:
            for path in sorted(folder.rglob("*")):
                tar.add(path, str(path.relative_to(folder)), recursive=False)
    except BaseException:
        archive.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return archive


@router.post("/api/rescore", responses=errors(400, 503))
async def rescore_talks(context: Ctx, wanted: RescoreRequest) -> RescoreAnswer:
    """Derives the turns and barge-ins of talks that are over anew."""
    since: datetime | None = wanted.since
    done = await asyncio.to_thread(rescore, context.workbench.store, since=since, every=wanted.every)
    return RescoreAnswer(**dataclasses.asdict(done))
