"""The composition root: every part of the workbench chosen, opened and handed to the parts that need it."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from workbench.audio.end_of_turn import EndOfTurn
from workbench.audio.errors import AudioError
from workbench.bridge.bridge import Bridge
from workbench.bridge.config import NO_TOOLS, ToolsConfig
from workbench.bridge.equipment import equip
from workbench.bridge.fleet import Fleet
from workbench.bridge.intent import Classifier
from workbench.bridge.invocation import Timing
from workbench.bridge.openai_intent import OpenAiClassifier
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.tools import local_now
from workbench.engines.base import Engine
from workbench.engines.classic.embedded_responder import EmbeddedResponder
from workbench.engines.classic.engine import ClassicEngine, ResponderFor
from workbench.engines.classic.openai_responder import OpenAiResponder
from workbench.engines.classic.responder import Responder
from workbench.engines.missing import MissingEngine
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.engines.roster import Roster
from workbench.engines.speech.base import Asr, Tts
from workbench.engines.speech.counted import CountedAsr
from workbench.engines.speech.recognisers import choose_recogniser
from workbench.engines.speech.second_ear import SecondEar
from workbench.engines.speech.synthesisers import FallbackTts, choose_synthesisers, voice_for
from workbench.engines.vllm_omni.engine import VllmOmniEngine
from workbench.llm_endpoint import FIRST_PIECE_TIMEOUT_S, OpenAiEndpoint
from workbench.persona_library import PersonaLibrary, library_of
from workbench.personas import Persona
from workbench.sessions import Parts, Sessions
from workbench.settings import Settings, cores
from workbench.store.address import shown
from workbench.store.base import Store, StoreError
from workbench.store.figures import figures
from workbench.store.opening import open_store
from workbench.store.processes import Process, register
from workbench.store.recorder import Recorder
from workbench.store.recovery import Recovered, Recovery
from workbench.testing.engines import EchoEngine, ScriptedEngine
from workbench.wire_client import ChatError

log = logging.getLogger(__name__)

SESSIONS_PER_CORE = 2
"""Classic talks that one core holds in real time with the embedded recogniser: `benchmarks.concurrency` held four on two cores."""

RECOVERY_EVERY_S = 5.0
"""How often the talks of dead processes are looked for in a database that is shared."""

AUTOMATIC = ("personaplex", "vllm-omni", "classic")
"""Engines that `auto` may take, best first; one without an address is passed over without a word."""

Progress = Callable[[str], None]
"""Told what is being loaded, one plain sentence at a time; may be called from any thread."""


class AssemblyError(Exception):
    """A setting cannot be used. The message names what was wrong and how to mend it."""


def _quiet(_message: str) -> None:
    """The default progress: nobody is told."""


@dataclass
class Workbench:
    """What one process of the workbench is made of. Made by `assemble`; `close` gives everything back."""

    settings: Settings
    here: Process
    """This process, as others see it in a store that is shared."""
    store: Store
    recovered: Recovered
    """What a crash had left behind, brought to its end at this start."""
    recorder: Recorder
    personas: PersonaLibrary
    roster: Roster
    recogniser: CountedAsr
    end_of_turn: EndOfTurn | None
    synthesisers: Sequence[Tts]
    """Those that can be used, best first."""
    tts: Tts
    """All of them as one: the next takes over from one that fails."""
    registry: Registry
    fleet: Fleet
    """The tools' providers beside this process; opened in the background."""
    bridge_for: Callable[[Persona], Bridge]
    responder_for: ResponderFor
    sessions: Sessions
    parts: AsyncExitStack
    """Everything that must be given back."""

    async def close(self) -> None:
        """Ends every talk with `server_stopped`, waits until all is written, and gives the parts back. May be called twice."""
        await self.sessions.stop()
        await self.parts.aclose()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What takes time to open."""

    here: Process
    store: Store
    recovered: Recovered
    asr: CountedAsr
    voices: Sequence[Tts]
    end_of_turn: EndOfTurn | None
    endpoint: OpenAiEndpoint | None
    personaplex: Engine
    tools: ToolsConfig


async def assemble(
    settings: Settings,
    *,
    progress: Progress = _quiet,
    recogniser: Asr | None = None,
    synthesisers: Sequence[Tts] | None = None,
    personaplex: Engine | None = None,
    tools: ToolsConfig = NO_TOOLS,
    address: str | None = None,
) -> Workbench:
    """Opens the store, brings what crashed to an end, and chooses the parts, all at the same time. `recogniser`, `synthesisers` and
    `personaplex` are used instead of choosing where they are given; the engine is not closed. `tools` says who carries out tools
    beside this process. `address`: of its pages, for other processes on the same store.

    Raises StoreError, SpeechError, PersonaError, EngineError, ConfigError or AssemblyError with the repair; nothing is left open then.
    """
    here = Process.this(settings.audio_dir, address)
    personas = library_of(settings)
    persona = personas.get(settings.persona)
    endpoint = llm_endpoint(settings)
    intent_reader(settings, endpoint, Registry(), persona)
    async with AsyncExitStack() as parts:
        if endpoint is not None:
            parts.push_async_callback(endpoint.close)
        tasks = (
            asyncio.create_task(_open_store(settings, parts, progress, here)),
            asyncio.create_task(_open_recogniser(settings, recogniser, parts, progress)),
            asyncio.create_task(_open_voices(settings, synthesisers, parts, progress)),
            asyncio.create_task(asyncio.to_thread(_load_end_of_turn, settings, progress)),
        )
        # All are waited for, so that one that fails leaves none behind that opens later.
        await asyncio.wait(tasks)
        faults = [fault for task in tasks if (fault := task.exception()) is not None]
        if faults:
            raise faults[0]
        (store, recovered), asr, voices, end_of_turn = (tasks[0].result(), tasks[1].result(), tasks[2].result(), tasks[3].result())
        if end_of_turn is not None:
            parts.callback(end_of_turn.close)
        engine = personaplex or personaplex_engine(settings)
        bench = _wire(
            settings, personas, _Opened(here, store, recovered, asr, voices, end_of_turn, endpoint, engine, tools), parts, progress
        )
        bench.roster.check(settings.engine)
        bench.fleet.start()
        bench.parts = parts.pop_all()
        return bench


async def _open_store(settings: Settings, parts: AsyncExitStack, progress: Progress, here: Process) -> tuple[Store, Recovered]:
    progress(f"Opening {shown(settings.database)}.")
    store = await asyncio.to_thread(open_store, settings.database, process_id=here.process_id)
    parts.push_async_callback(asyncio.to_thread, store.close)
    await asyncio.to_thread(register, store, here)
    recovery = Recovery(store, settings.audio_dir, here)
    recovered = await asyncio.to_thread(recovery.look)
    if recovered.sessions:
        progress(f"{len(recovered.sessions)} talks that a crash had left open were closed.")
    if store.shared:
        watch = asyncio.create_task(_watch(recovery), name="recovery")
        parts.callback(watch.cancel)
    return store, recovered


async def _watch(recovery: Recovery) -> None:
    """Brings the talks of processes to an end that die while this one runs."""
    while True:
        await asyncio.sleep(RECOVERY_EVERY_S)
        try:
            await asyncio.to_thread(recovery.look)
        except StoreError as error:
            log.info("talks of processes that are gone are looked for again later: %s", error)


async def _open_recogniser(settings: Settings, given: Asr | None, parts: AsyncExitStack, progress: Progress) -> CountedAsr:
    asr = CountedAsr(given or await choose_recogniser(settings.asr, progress))
    parts.push_async_callback(asr.close)
    progress(f"Recogniser: {asr.name}. {asr.why}")
    return asr


async def _open_voices(settings: Settings, given: Sequence[Tts] | None, parts: AsyncExitStack, progress: Progress) -> Sequence[Tts]:
    voices = given if given is not None else await _choose_voices(settings, progress)
    for tts in voices:
        parts.push_async_callback(tts.close)
    progress(f"Voice: {voices[0].why}")
    return voices


async def _choose_voices(settings: Settings, progress: Progress) -> Sequence[Tts]:
    key = settings.elevenlabs_api_key
    return await choose_synthesisers(
        settings.tts,
        api_key=key.get_secret_value() if key is not None else None,
        voice_id=settings.elevenlabs_voice,
        progress=progress,
    )


def _load_end_of_turn(settings: Settings, progress: Progress) -> EndOfTurn | None:
    """None when turns end after a fixed hold, as set, or when the model is missing (every talk's parts say so)."""
    if settings.turn_fixed_hold_ms is not None:
        return None
    try:
        return EndOfTurn()
    except AudioError as error:
        progress(str(error))
        return None


def llm_endpoint(settings: Settings, *, first_piece_timeout_s: float = FIRST_PIECE_TIMEOUT_S) -> OpenAiEndpoint | None:
    """The language model of the settings; None when none is set. Raises AssemblyError for an address or a key that cannot be one."""
    if settings.llm_base_url is None:
        return None
    key = settings.llm_api_key
    try:
        secret = key.get_secret_value() if key is not None else None
        return OpenAiEndpoint(settings.llm_base_url, settings.llm_model, secret, first_piece_timeout_s=first_piece_timeout_s)
    except ValueError as error:
        raise AssemblyError(str(error)) from error


def _wire(settings: Settings, personas: PersonaLibrary, opened: _Opened, parts: AsyncExitStack, progress: Progress) -> Workbench:
    store = opened.store
    recorder = Recorder(store, settings.audio_dir, recording=settings.recording, process_id=opened.here.process_id)
    parts.push_async_callback(asyncio.to_thread, recorder.close)
    equipment = equip(
        opened.tools,
        stats=lambda: figures(store, local_now().replace(hour=0, minute=0, second=0, microsecond=0)),
        tell=progress,
    )
    parts.push_async_callback(equipment.close)
    registry = equipment.registry
    timing = Timing(filler_after_ms=settings.tool_filler_ms, filler=Timing().filler if settings.tool_filler_ms else "")

    hearer = SecondEar(opened.asr) if settings.tool_fidelity else None

    def bridge_for(persona: Persona) -> Bridge:
        access = opened.tools.access.table(persona.persona_id)
        reader = intent_reader(settings, opened.endpoint, registry, persona)
        return Bridge(registry, allowed=persona.tools, names=[persona.name], classifier=reader, timing=timing, hearer=hearer, access=access)

    responder_for = functools.partial(_responder_for, opened.endpoint, registry)
    tts = FallbackTts(list(opened.voices), on_change=lambda message: classic.announce(message))
    classic = ClassicEngine(tts, responder_for, voice_for, max_sessions=settings.classic_sessions or SESSIONS_PER_CORE * cores())
    roster = Roster(
        _engines(settings, opened.personaplex, classic),
        automatic=[name for name in AUTOMATIC if name != VllmOmniEngine.name or settings.vllm_omni_url is not None],
    )
    sessions = Sessions(
        Parts(
            settings=settings,
            personas=personas,
            roster=roster,
            asr=opened.asr,
            end_of_turn=opened.end_of_turn,
            host_tts=tts,
            recorder=recorder,
            bridge_for=bridge_for,
        )
    )
    return Workbench(
        settings=settings,
        here=opened.here,
        store=store,
        recovered=opened.recovered,
        recorder=recorder,
        personas=personas,
        roster=roster,
        recogniser=opened.asr,
        end_of_turn=opened.end_of_turn,
        synthesisers=opened.voices,
        tts=tts,
        registry=registry,
        fleet=equipment.fleet,
        bridge_for=bridge_for,
        responder_for=responder_for,
        sessions=sessions,
        parts=parts,
    )


def intent_reader(settings: Settings, endpoint: OpenAiEndpoint | None, registry: Registry, persona: Persona) -> Classifier:
    """Who reads the user's words for this persona. Raises AssemblyError when that is an endpoint that is not set."""
    rules = RulesClassifier(registry, [persona.name])
    if settings.intent == "rules":
        return rules
    if endpoint is None:
        raise AssemblyError("WORKBENCH_INTENT is llm, but no endpoint is set; set WORKBENCH_LLM_BASE_URL, or WORKBENCH_INTENT=rules.")
    return OpenAiClassifier(endpoint, registry, rules, allowed=persona.tools, timeout_s=settings.intent_timeout_s)


def _responder_for(endpoint: OpenAiEndpoint | None, registry: Registry, persona: Persona) -> Responder:
    if endpoint is not None:
        return OpenAiResponder(persona, endpoint)
    allowed = registry.allowed(persona.tools)
    return EmbeddedResponder(persona, abilities=[_verb_phrase(tool.description) for tool in registry if tool.name in allowed])


def _verb_phrase(description: str) -> str:
    """A tool's description as it follows "I can": "tell the time in a place"."""
    sentence = description.split(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _engines(settings: Settings, personaplex: Engine, classic: ClassicEngine) -> list[Engine]:
    engines: list[Engine] = [personaplex, vllm_omni_engine(settings), classic]
    return [*engines, EchoEngine(), ScriptedEngine()] if settings.test_engines else engines


def personaplex_engine(settings: Settings) -> Engine:
    """The PersonaPlex server that the settings name. Raises AssemblyError when its address is none."""
    if settings.personaplex_url is None:
        return MissingEngine("personaplex", "No PersonaPlex address is configured.", "Set PERSONAPLEX_URL to a PersonaPlex server.")
    token = settings.personaplex_token
    try:
        return PersonaPlexEngine(settings.personaplex_url, token.get_secret_value() if token is not None else None)
    except ChatError as error:
        raise AssemblyError(f"PERSONAPLEX_URL: {error}.") from error


def vllm_omni_engine(settings: Settings) -> Engine:
    """The vLLM-Omni server that the settings name. Raises AssemblyError when its address is none."""
    if settings.vllm_omni_url is None:
        missing = "Set WORKBENCH_VLLM_OMNI_URL to a vLLM-Omni server that serves PersonaPlex."
        return MissingEngine(VllmOmniEngine.name, "No vLLM-Omni address is configured.", missing)
    key = settings.vllm_omni_key
    try:
        return VllmOmniEngine(settings.vllm_omni_url, key.get_secret_value() if key is not None else None, model=settings.vllm_omni_model)
    except ValueError as error:
        raise AssemblyError(f"WORKBENCH_VLLM_OMNI_URL: {error}.") from error
