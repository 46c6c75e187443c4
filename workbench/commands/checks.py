"""What `workbench doctor` tries. Every finding comes of doing the thing, and every fault names the one command that mends it.

Each check imports what it tries by itself: a part that cannot even be imported is its finding, and no end of the others.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from workbench.commands.common import CommandError
from workbench.commands.gateway import INSTALL_MODEL
from workbench.settings import Settings, cores

NEEDED_BYTES = 1 << 30
"""Free space below which a warning is due: about 12 h of recordings."""
NETWORK_TIMEOUT_S = 3.0
INSTALL = "pip install uv && uv sync"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    name: str
    state: Literal["ok", "warning", "error"]
    """`error`: the workbench cannot run without it. `warning`: it runs, with less."""
    found: str
    repair: str = ""
    """The command that mends it; empty when all is well."""
    ms: float | None = None
    """How long the trial took."""


Check = Callable[[Settings], Awaitable[Finding]]


async def python(_settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", f"Python {version} on {cores()} cores.")
    return Finding("python", "error", f"Python {version}; 3.11 to 3.13 are supported.", "uv python install 3.12 && uv sync --python 3.12")


async def audio(_settings: Settings) -> Finding:
    """Resampling, Opus there and back, and the speech detector, each on a second of sound."""
    import numpy as np

    from workbench.audio.errors import AudioError
    from workbench.audio.frames import FRAME_SAMPLES, LISTEN_RATE, SAMPLE_RATE
    from workbench.audio.opus import CodecError, OpusReader, OpusWriter
    from workbench.audio.resample import resample
    from workbench.audio.vad import SpeechDetector

    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    try:
        at_16k = resample(tone, SAMPLE_RATE, LISTEN_RATE)
        SpeechDetector().push(at_16k)
        writer, reader = OpusWriter(), OpusReader()
        heard = sum(reader.append(writer.append(tone[at : at + FRAME_SAMPLES])).size for at in range(0, tone.size, FRAME_SAMPLES))
    except (AudioError, CodecError) as error:
        return Finding("audio", "error", f"The audio parts do not work: {error}", f"{INSTALL} --reinstall")
    if heard < SAMPLE_RATE // 2:
        return Finding("audio", "error", f"Opus gave back {heard} of {SAMPLE_RATE} samples.", f"{INSTALL} --reinstall-package sphn")
    return Finding("audio", "ok", "Resampling, Opus there and back, and the silero speech detector work.")


async def end_of_turn(_settings: Settings) -> Finding:
    from workbench.audio.end_of_turn import EndOfTurn
    from workbench.audio.errors import AudioError
    from workbench.audio.frames import LISTEN_RATE, silence

    try:
        model = await asyncio.to_thread(EndOfTurn)
    except AudioError as error:
        return Finding("end of turn", "warning", f"{error} Turns end after a fixed silence.", f"{INSTALL} --reinstall-package pipecat-ai")
    try:
        score = await model.score(silence(LISTEN_RATE))
    finally:
        model.close()
    if not math.isfinite(score):
        return Finding("end of turn", "warning", f"{model.name} gives no number.", f"{INSTALL} --reinstall-package pipecat-ai")
    return Finding("end of turn", "ok", f"{model.name} judged a second of silence.")


async def recogniser(settings: Settings) -> Finding:
    from workbench.audio.frames import LISTEN_RATE, silence
    from workbench.engines.speech.base import SpeechError
    from workbench.engines.speech.recognisers import choose_recogniser

    try:
        asr = await choose_recogniser(settings.asr)
    except SpeechError as error:
        return Finding("recogniser", "error", str(error), "WORKBENCH_ASR=auto workbench doctor")
    try:
        session = await asr.open(["what time is it"])
        try:
            await session.feed(silence(LISTEN_RATE))
            await session.finish()
        finally:
            await session.close()
    except SpeechError as error:
        return Finding("recogniser", "error", f"{asr.name}: {error}", f"{INSTALL} --reinstall")
    finally:
        await asr.close()
    return Finding("recogniser", "ok", f"{asr.name} listened to a second of silence. {asr.why}")


async def voice(settings: Settings) -> Finding:
    from workbench.audio.frames import SAMPLE_RATE
    from workbench.engines.speech.base import SpeechError
    from workbench.engines.speech.synthesisers import choose_synthesisers

    key = settings.elevenlabs_api_key
    try:
        voices = await choose_synthesisers(
            settings.tts, api_key=key.get_secret_value() if key is not None else None, voice_id=settings.elevenlabs_voice
        )
    except SpeechError as error:
        return Finding("voice", "error", str(error), "apt-get install -y libflite1")
    spoke: list[str] = []
    failed: list[str] = []
    for tts in voices:
        try:
            async with aclosing(tts.stream("ready")) as sound:
                samples = sum([chunk.size async for chunk in sound])
            spoke.append(f"{tts.name} ({samples / SAMPLE_RATE:.2f} s of sound)")
        except SpeechError as error:
            failed.append(f"{tts.name}: {error}")
        finally:
            await tts.close()
    if not spoke:
        return Finding("voice", "error", " ".join(failed), "apt-get install -y libflite1")
    told = f"Spoke a word: {', '.join(spoke)}. {voices[0].why}"
    if failed:
        return Finding("voice", "warning", f"{told} Failed: {'; '.join(failed)}", "WORKBENCH_TTS=auto workbench doctor")
    return Finding("voice", "ok", told)


async def personas(settings: Settings) -> Finding:
    from workbench.persona_library import library_of

    library = library_of(settings)
    found, faults = library.list(), library.faults()
    names = ", ".join(persona.persona_id for persona in found)
    if settings.persona not in {persona.persona_id for persona in found}:
        return Finding("personas", "error", f"The persona {settings.persona!r} is not among: {names or 'none'}.", "unset WORKBENCH_PERSONA")
    if faults:
        return Finding("personas", "warning", "; ".join(faults.values()), f"edit {next(iter(faults))}")
    return Finding("personas", "ok", f"{len(found)} persona files: {names}.")


async def port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            free = f"workbench serve --port {_free_port(settings)}"
            return Finding("port", "warning", f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.", free)
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free.")


def _free_port(settings: Settings) -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    return number


async def disk(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as trial:
            trial.write(bytes(4096))
            trial.flush()
            os.fsync(trial.fileno())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding("disk", "error", f"{existing} cannot be written: {error.strerror}.", "workbench serve --data-dir ~/workbench")
    if free < NEEDED_BYTES:
        return Finding("disk", "warning", f"{free / 1e9:.1f} GB free in {existing}.", "workbench serve --no-recording")
    return Finding("disk", "ok", f"{free / 1e9:.0f} GB free in {existing}, and it can be written.")


async def database(settings: Settings) -> Finding:
    from workbench.store.base import StoreError
    from workbench.store.duckdb_store import DuckDbStore

    def trial() -> int:
        store = DuckDbStore(settings.database)
        try:
            return len(store.query("SELECT version FROM schema_migrations"))
        finally:
            store.close()

    try:
        applied = await asyncio.to_thread(trial)
    except StoreError as error:
        if "is held by process" in str(error):
            return Finding("database", "warning", str(error), "workbench doctor --data-dir ~/workbench")
        return Finding("database", "error", str(error), "workbench doctor --data-dir ~/workbench")
    return Finding("database", "ok", f"{settings.database} opens, with {applied} migrations applied.")


async def gpu(_settings: Settings) -> Finding:
    """What the driver's own tool says. torch is not imported: it would take seconds."""
    from workbench.engines.personaplex.gpus import GpuError, find_gpus

    torch = "torch is installed" if find_spec("torch") is not None else "torch is not installed"
    try:
        found = await asyncio.to_thread(find_gpus)
    except GpuError as error:
        return Finding("gpu", "warning", str(error), "nvidia-smi")
    if not found:
        told = f"No NVIDIA GPU here ({torch}); the classic engine needs none."
        return Finding("gpu", "warning", told, "PERSONAPLEX_URL=ws://GPU-MACHINE:8998 workbench serve")
    told = "; ".join(f"{gpu.name}, {gpu.used_mib} of {gpu.total_mib} MiB used" for gpu in found)
    if find_spec("torch") is None:
        return Finding("gpu", "warning", f"{told}; {torch}.", INSTALL_MODEL)
    return Finding("gpu", "ok", f"{told}; {torch}.")


async def gateway(settings: Settings) -> Finding:
    """Whether the PersonaPlex server answers that the settings name, or else `workbench serve` would start one."""
    from workbench.assembly import AssemblyError, personaplex_engine
    from workbench.commands.local_gateway import GatewayPlan, plan_gateway

    try:
        plan = await asyncio.to_thread(plan_gateway, settings)
        if isinstance(plan, GatewayPlan):
            return Finding("gateway", "ok", f"`workbench serve` starts one on {plan.device} for {plan.slots} talks. {plan.why}")
        if settings.personaplex_url is None:
            return Finding("gateway", "warning", f"`workbench serve` starts none. {plan.reason}", plan.repair)
        answer = await personaplex_engine(settings).probe()
    except (AssemblyError, CommandError) as error:
        return Finding("gateway", "error", str(error), "unset PERSONAPLEX_URL")
    if answer.state == "unavailable":
        return Finding("gateway", "warning", f"{answer.reason} {answer.repair}", "unset PERSONAPLEX_URL")
    return Finding("gateway", "ok", answer.reason)


async def hf_token(settings: Settings) -> Finding:
    import httpx

    if settings.hf_token is None:
        found = "HF_TOKEN is not set; it is only needed to fetch the PersonaPlex weights and for Hugging Face TURN."
        return Finding("hugging face token", "warning", found, "export HF_TOKEN=hf_...")
    try:
        async with httpx.AsyncClient(timeout=NETWORK_TIMEOUT_S) as client:
            headers = {"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"}
            told = await client.get("https://huggingface.co/api/whoami-v2", headers=headers)
    except (httpx.HTTPError, UnicodeError) as error:
        found = f"HF_TOKEN is set and could not be tried: huggingface.co cannot be reached ({type(error).__name__})."
        return Finding("hugging face token", "warning", found, "curl -I https://huggingface.co")
    if told.status_code != 200:
        found = f"HF_TOKEN was refused (HTTP {told.status_code}); make one at https://huggingface.co/settings/tokens."
        return Finding("hugging face token", "warning", found, "export HF_TOKEN=hf_...")
    return Finding("hugging face token", "ok", "HF_TOKEN was accepted by huggingface.co.")


CHECKS: tuple[Check, ...] = (python, audio, end_of_turn, recogniser, voice, personas, port, disk, database, gpu, gateway, hf_token)


async def timed(check: Check, settings: Settings) -> Finding:
    """One check with the time it took. A check that fails in a way nobody foresaw is a finding too."""
    began_s = time.perf_counter()
    try:
        found = await check(settings)
    except Exception as error:  # noqa: BLE001 - the other checks must still be made
        found = Finding(check.__name__.replace("_", " "), "error", f"{type(error).__name__}: {error}", f"{INSTALL} --reinstall")
    return Finding(found.name, found.state, found.found, found.repair, (time.perf_counter() - began_s) * 1_000)
