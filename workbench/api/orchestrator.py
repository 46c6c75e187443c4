"""Typed messages: `/api/mas/voice/orchestrator`."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Sequence

from fastapi import APIRouter

from workbench.api.context import Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.models import MessageAnswer, MessageRequest, ToolCall
from workbench.api.speech import MEDIA_TYPE, speak
from workbench.api.text_talks import MAX_HISTORY
from workbench.assembly import Workbench
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.synthesisers import voice_for
from workbench.events import Speaker
from workbench.personas import Persona
from workbench.sessions import CONVERSATION_ID
from workbench.store import queries

router = APIRouter(tags=["messages"])


@router.post("/api/mas/voice/orchestrator", responses=errors(400, 404, 503))
async def message(context: Ctx, wanted: MessageRequest) -> MessageAnswer:
    """The reply to a message: by a tool where it asks for one, else by the persona. A conversation keeps what waits for a word
    of confirmation from one message to the next."""
    began_s = time.perf_counter()
    bench = context.workbench
    conversation_id = wanted.conversation_id or uuid.uuid4().hex
    if not CONVERSATION_ID.fullmatch(conversation_id):
        raise ApiError(400, "bad_request", "conversation_id: use 1 to 64 letters, digits, hyphens and underscores.")
    if not wanted.message.strip():
        raise ApiError(400, "bad_request", "message: there are no words in it; send some.")
    persona = wanted.persona
    history: Sequence[tuple[Speaker, str]] = ()
    if wanted.conversation_id is not None and not context.text_talks.knows(conversation_id):
        # It may have gone on in another process, or before this one was started.
        history = await asyncio.to_thread(queries.earlier_turns, bench.store, conversation_id, MAX_HISTORY)
        persona = persona or await asyncio.to_thread(queries.last_persona, bench.store, conversation_id)
    talk = await context.text_talks.get(conversation_id, bench.personas.get(persona or bench.settings.persona), history)
    async with talk.lock:
        reply = await talk.answer(wanted.message)
    latency_ms = (time.perf_counter() - began_s) * 1_000
    calls = list(reply.tools.values())
    tool = next((call["tool"] for call in calls if call["status"] in ("success", "error")), None)
    audio, error = None, reply.error
    if wanted.want_audio and reply.text:
        try:
            audio = await _spoken(bench, talk.persona, reply.text)
        except SpeechError as fault:
            error = error or str(fault)
    agent = tool or talk.persona.persona_id
    return MessageAnswer(
        conversation_id=conversation_id,
        session_id=talk.session_id,
        response_text=reply.text,
        response=reply.text,
        agent=agent,
        agent_name=agent,
        routed_to=tool,
        requires_confirmation=reply.confirmation_prompt is not None,
        confirmation_prompt=reply.confirmation_prompt,
        tool_calls=[ToolCall(**call) for call in calls],
        provider=reply.provider or "bridge",
        latency_ms=latency_ms,
        error=error,
        audio_base64=audio,
        audio_mime=MEDIA_TYPE if audio is not None else None,
    )


async def _spoken(bench: Workbench, persona: Persona, text: str) -> str:
    voice, _note = voice_for(bench.tts, persona.voice)
    return base64.b64encode(await speak(bench.tts, text, voice)).decode()
