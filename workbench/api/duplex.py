"""Agreeing on a talk: `/api/mas/voice/duplex/session`, with the original's shapes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request

from workbench.api.context import Context, Ctx
from workbench.api.entrance import KEPT_S, Reservation
from workbench.api.errors import ApiError, errors
from workbench.api.models import CheckAnswer, Mode, ModesAnswer, SessionAnswer, SessionRequest, Transport, VoiceConfig
from workbench.api.seals import Seals
from workbench.assembly import AUTOMATIC
from workbench.audio.frames import SAMPLE_RATE
from workbench.engines.base import EngineError
from workbench.engines.roster import AUTO
from workbench.engines.speech.base import Tts
from workbench.engines.speech.synthesisers import voice_for
from workbench.personas import Persona
from workbench.store import queries

router = APIRouter(tags=["sessions"])

ELEVENLABS = "elevenlabs"
"""The original's second mode: its clients fetch speech and replies over HTTP."""
HTTP = Transport(type="http", tts_url="/api/mas/voice", orchestrator_url="/api/mas/voice/orchestrator")


@router.post("/api/mas/voice/duplex/session", responses=errors(400, 404, 409, 503))
async def agree(context: Ctx, request: Request, wanted: SessionRequest | None = None) -> SessionAnswer | CheckAnswer:
    """Agrees on a talk. The engine asked for is the one that answers, or the answer is 503 with the repair; `auto` tells which and why."""
    wanted = wanted or SessionRequest()
    if wanted.check_only:
        return CheckAnswer(
            personaplex_available=await personaplex_available(context), recommended_mode=await recommended(context) or "none"
        )
    return await reserve(context, request, wanted)


async def reserve(context: Context, request: Request, wanted: SessionRequest) -> SessionAnswer:
    """A reservation for what is wanted. Raises ApiError, EngineError, PersonaError, each with its status."""
    bench = context.workbench
    persona = bench.personas.get(wanted.persona or bench.settings.persona)
    if wanted.mode == ELEVENLABS:
        engine, reason = ELEVENLABS, _elevenlabs(context).why
    else:
        engine, reason = await _choose(context, wanted.mode)
    reserved = await context.entrance.reserve(
        session_id=wanted.session_id,
        conversation_id=wanted.conversation_id,
        persona=persona.persona_id,
        voice=persona.voice,
        engine="classic" if engine == ELEVENLABS else engine,
    )
    return SessionAnswer(
        session_id=reserved.session_id,
        conversation_id=reserved.conversation_id,
        mode=engine,
        reason=reason,
        personaplex_available=await personaplex_available(context),
        transport=HTTP if engine == ELEVENLABS else _websocket(request, {"conversation_id": reserved.conversation_id}),
        ticket=None if context.seals is None else _ticket(context.seals, reserved, bench.settings.max_session_s),
        fallback=HTTP,
        voice_config=_voice_config(context, engine, persona),
        created_at=reserved.made_at,
        expires_in_s=KEPT_S,
    )


def _ticket(seals: Seals, reserved: Reservation, talk_s: float) -> str:
    return seals.seal("ticket", f"{reserved.session_id}:{reserved.conversation_id}", KEPT_S + talk_s)


async def _choose(context: Context, mode: str) -> tuple[str, str]:
    """The engine for a mode, and why. Raises ApiError for one that does not exist; EngineBusy or EngineError when it is not there."""
    roster = context.workbench.roster
    try:
        roster.check(mode)
    except EngineError as error:
        raise ApiError(400, "unknown_engine", f"{error} Or {ELEVENLABS}.") from error
    engine, why, _answer = await roster.choose(mode)
    return engine, why


def _elevenlabs(context: Context) -> Tts:
    for tts in context.workbench.synthesisers:
        if tts.name == ELEVENLABS:
            return tts
    raise ApiError(503, "engine_unavailable", "ElevenLabs is not configured. Set ELEVENLABS_API_KEY, or ask for another mode.")


def _websocket(request: Request, query: dict[str, str]) -> Transport:
    """Our own `/api/chat` under the name by which the client reached us."""
    return Transport(type="websocket", url=f"{request.url_for('chat')}?{urlencode(query)}", sample_rate=SAMPLE_RATE)


def _voice_config(context: Context, engine: str, persona: Persona) -> VoiceConfig:
    if engine == "personaplex":
        return VoiceConfig(persona=persona.persona_id, voice_prompt=f"{persona.voice}.pt")
    voice, _note = voice_for(context.workbench.tts, persona.voice)
    return VoiceConfig(persona=persona.persona_id, voice_id=voice)


async def personaplex_available(context: Context) -> bool:
    """A handshake with PersonaPlex of the last 5 s said that it is ready."""
    return (await context.probes.get("personaplex")).answer.state == "ready"


async def recommended(context: Context) -> str | None:
    """The engine that `auto` takes now; None when there is none."""
    try:
        return (await context.workbench.roster.choose(AUTO))[0]
    except EngineError:
        return None


@router.get("/api/mas/voice/duplex/session", responses=errors(503))
async def modes(context: Ctx, request: Request) -> ModesAnswer:
    """Every mode with its true state. A latency is the median over this server's own talks, or null."""
    bench = context.workbench
    measured = await asyncio.to_thread(queries.latencies, bench.store)
    found: dict[str, Mode] = {}
    for name in AUTOMATIC:
        probe = await context.probes.get(name)
        duplex = name != "classic"
        figures = measured.get(name, {})
        found[name] = Mode(
            available=probe.answer.state == "ready",
            reason=" ".join(filter(None, (probe.answer.reason, probe.answer.repair))),
            url=_websocket(request, {"engine": name}).url,
            features=["full_duplex", "barge_in", "backchannels"] if duplex else ["half_duplex", "barge_in", "tools"],
            voice=None if duplex else bench.tts.name,
            latency_ms=figures.get("p50_ms"),
            latency_n=int(figures.get("n") or 0),
        )
    found[ELEVENLABS] = _elevenlabs_mode(context)
    return ModesAnswer(modes=found, recommended=await recommended(context), timestamp=datetime.now(UTC))


def _elevenlabs_mode(context: Context) -> Mode:
    try:
        tts = _elevenlabs(context)
    except ApiError as error:
        return Mode(available=False, reason=str(error), features=["premium_voice", "cloud"], voice=None, latency_ms=None, latency_n=0)
    return Mode(
        available=True,
        reason=tts.why,
        features=["premium_voice", "cloud"],
        voice=tts.voices[0] if tts.voices else None,
        latency_ms=None,
        latency_n=0,
    )
