"""Voice prompts of one's own: uploaded with the speaker's consent, listed, deleted."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.gateway.voice_sound import VoiceError
from workbench.voice_shelf import VoiceShelf, shelf_dir

router = APIRouter(tags=["personas"])

PATH = "/api/voices/"
MAX_UPLOAD_BYTES = 8 << 20
"""30 s at 48 kHz in stereo are 6 MB."""


class UploadedVoice(BaseModel):
    """One voice."""

    name: str
    speaker: str
    consented_at: str = Field(description="When it was ticked that the speaker agrees, UTC.")
    seconds: float
    sha256: str
    loaded: bool = Field(description="The gateway that answers just now has it.")


@router.get("/api/voices")
async def list_voices(context: Ctx) -> list[UploadedVoice]:
    """All that were uploaded here."""
    loaded = set((await context.probes.get("personaplex")).answer.voices)
    found = await asyncio.to_thread(_shelf(context).list)
    return [UploadedVoice(**{name: getattr(voice, name) for name in voice.__slots__}, loaded=voice.name in loaded) for voice in found]


@router.put("/api/voices/{name}", status_code=201, responses=errors(400, 403, 413), dependencies=[OWN_PAGE])
async def upload_voice(
    context: Ctx,
    request: Request,
    name: str,
    speaker: Annotated[str, Query(max_length=120, description="Who is heard in it.")],
    consent: Annotated[bool, Query(description="The speaker agrees that this voice is used.")] = False,
) -> UploadedVoice:
    """Keeps a recording (the body: WAV, FLAC or Ogg, 0.4 to 30 s) as a voice. It is checked as the gateway checks it; a gateway that this
    server starts has it from its next start on."""
    sound = await request.body()
    keep = functools.partial(_shelf(context).add, name, sound, speaker=speaker, consent=consent)
    try:
        voice = await asyncio.to_thread(keep)
    except VoiceError as error:
        raise ApiError(400, "bad_voice", f"{error}.") from error
    return UploadedVoice(**{field: getattr(voice, field) for field in voice.__slots__}, loaded=False)


@router.delete("/api/voices/{name}", responses=errors(403, 404), dependencies=[OWN_PAGE])
async def delete_voice(context: Ctx, name: str) -> dict[str, str]:
    """Deletes a voice and the consent for it."""
    try:
        await asyncio.to_thread(_shelf(context).remove, name)
    except VoiceError as error:
        raise ApiError(404, "unknown_voice", f"{error}.") from error
    return {"name": name}


def _shelf(context: Context) -> VoiceShelf:
    return VoiceShelf(shelf_dir(context.workbench.settings))
