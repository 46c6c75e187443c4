"""Text to speech: `/api/mas/voice`."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from workbench.api.context import Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.models import SpeechInfo, SpeechRequest
from workbench.audio.frames import SAMPLE_RATE, Pcm, to_int16
from workbench.engines.speech.base import SpeechError, Tts
from workbench.engines.speech.synthesisers import voice_for

router = APIRouter(tags=["speech"])

MEDIA_TYPE = "audio/wav"
_TO_THE_END = 0xFFFF_FFFF
"""The length that programs write into a WAV header when they do not know it yet."""


def wav_header(data_bytes: int = _TO_THE_END) -> bytes:
    """The 44 bytes before 16-bit mono samples at 24 kHz; without a length: "to the end of the stream"."""
    riff_bytes = data_bytes if data_bytes == _TO_THE_END else data_bytes + 36
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff_bytes, b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16, b"data", data_bytes
    )


async def speak(tts: Tts, text: str, voice: str | None) -> bytes:
    """The whole of `text` as a WAV file. Raises SpeechError."""
    async with aclosing(tts.stream(text, voice)) as chunks:
        pcm = [chunk async for chunk in chunks]
    if not pcm:
        raise SpeechError("There is nothing to say in this text; send words.")
    samples = to_int16(np.concatenate(pcm)).tobytes()
    return wav_header(len(samples)) + samples


@router.post(
    "/api/mas/voice",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "16-bit mono at 24 kHz, streamed as it is made."}, **errors(400, 503)},
)
async def synthesise(context: Ctx, wanted: SpeechRequest) -> StreamingResponse:
    """Speaks a text. When the voice fails before its first sound the answer is 503; after that the stream breaks off."""
    tts = context.workbench.tts
    if not wanted.text.strip():
        raise ApiError(400, "bad_request", "text: there is nothing to say in this text; send words.")
    if wanted.voice_id is not None and wanted.voice_id not in tts.voices:
        raise ApiError(400, "unknown_voice", f"voice_id: there is no such voice. Known: {', '.join(tts.voices)}.")
    chunks = tts.stream(wanted.text, wanted.voice_id)
    try:
        first = await anext(chunks, None)
    except BaseException:
        await chunks.aclose()
        raise
    if first is None:
        raise ApiError(400, "bad_request", "text: there is nothing to say in this text; send words.")
    return StreamingResponse(_wav(first, chunks), media_type=MEDIA_TYPE)


async def _wav(first: Pcm, rest: AsyncGenerator[Pcm, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield wav_header() + to_int16(first).tobytes()
        async for chunk in rest:
            yield to_int16(chunk).tobytes()


@router.get("/api/mas/voice")
async def voice(context: Ctx) -> SpeechInfo:
    """The voice that speaks when none is asked for, and those that can be."""
    bench = context.workbench
    chosen, _note = voice_for(bench.tts, bench.personas.get(bench.settings.persona).voice)
    return SpeechInfo(
        voice_id=chosen,
        voice_name=chosen,
        model=bench.tts.name,
        why=bench.tts.why,
        voices=list(bench.tts.voices),
        elevenlabs_configured=any(tts.name == "elevenlabs" for tts in bench.synthesisers),
        mas_url=None,
    )
