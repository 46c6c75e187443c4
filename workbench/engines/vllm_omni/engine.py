"""PersonaPlex behind vLLM-Omni, which serves many talks from one or more GPUs."""

from __future__ import annotations

import asyncio
import time

import httpx

from workbench.engines.base import Availability, EngineError, EngineSession, EngineSpec, Part
from workbench.engines.vllm_omni.connection import Address, begin, upgrade
from workbench.engines.vllm_omni.events import said
from workbench.engines.vllm_omni.session import VllmOmniSession
from workbench.engines.voices import PERSONAPLEX_VOICES

PROBE_TIMEOUT_S = 3.0
OPEN_TIMEOUT_S = 30.0
"""How long opening a session may take: the voice and the persona are read in before it answers."""
REPAIR = (
    "Start it with `vllm-omni serve nvidia/personaplex-7b-v1 --omni --deploy-config personaplex.yaml`, or unset WORKBENCH_VLLM_OMNI_URL."
)


class VllmOmniEngine:
    """A vLLM-Omni server that many talks share. Implements `Engine`."""

    name = "vllm-omni"

    def __init__(self, url: str, key: str | None = None, *, model: str | None = None, open_timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """`model`: None = the first that the server lists. Raises ValueError when `url` is no address."""
        self._address = Address.of(url, key)
        self._model = model
        self._open_timeout_s = open_timeout_s
        self._sessions: set[VllmOmniSession] = set()

    async def probe(self) -> Availability:
        """Asks for its models and for the upgrade. How many places there are it does not tell."""
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                model = await self._served()
                await upgrade(self._address)
        except EngineError as error:
            return Availability("unavailable", f"{error}.", REPAIR)
        except TimeoutError:
            return Availability("unavailable", f"{self._address.shown} gave no answer within {PROBE_TIMEOUT_S:g} s.", REPAIR)
        took_ms = (time.perf_counter() - began_s) * 1_000
        reason = (
            f"{self._address.shown} serves {model} and takes WebSockets at /v1/realtime. Whether it is full duplex, and has a place, shows "
            "only when a talk begins."
        )
        return Availability("ready", reason, "", took_ms, None, None)

    async def _served(self) -> str:
        """The model to talk to. Raises EngineError."""
        url = self._address.http("/v1/models")
        try:
            async with httpx.AsyncClient(headers=self._address.headers, timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
                answer = await client.get(url)
            answer.raise_for_status()
            names = [str(entry["id"]) for entry in answer.json()["data"]]
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            mend = "; it wants its --api-key (WORKBENCH_VLLM_OMNI_KEY)" if status in (401, 403) else ""
            raise EngineError(f"{self._address.shown} refused to list its models with HTTP {status}{mend}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EngineError(f"{self._address.shown} cannot be reached ({said(str(error)) or type(error).__name__})") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EngineError(f"{self._address.shown} is no vLLM-Omni: its /v1/models is no list of models") from error
        if self._model is not None and self._model not in names:
            listed = said(", ".join(names)) or "none"
            raise EngineError(f"{self._address.shown} does not serve {self._model} (WORKBENCH_VLLM_OMNI_MODEL); it serves {listed}")
        if not names:
            raise EngineError(f"{self._address.shown} serves no model")
        return self._model or names[0]

    async def open(self, spec: EngineSpec) -> EngineSession:
        """Raises EngineBusy when every place is taken, EngineError for everything else."""
        if spec.clock.pace == "fast":
            raise EngineError(
                f"{self._address.shown} answers at its own pace, in pieces of some frames, so time cannot stand still for it. Talk to it "
                "at the pace of a live talk (--realtime)."
            )
        notices: list[str] = []
        voice = _voice(spec, notices)
        if spec.seed is not None or spec.persona.sampling or spec.sampling:
            notices.append(
                f"{self._address.shown} takes the most likely token throughout; the persona's sampling and the seed are not used."
            )
        try:
            async with asyncio.timeout(self._open_timeout_s):
                model = await self._served()
                instructions = f"{spec.persona.prompt} {spec.account}".strip()
                connection, opened = await begin(self._address, model, instructions, voice.name)
        except TimeoutError as error:
            raise EngineError(f"{self._address.shown} opened no session within {self._open_timeout_s:g} s; see its log.") from error
        session = VllmOmniSession(
            self._address,
            connection,
            opened,
            parts={"model": Part(opened.model or model, f"Served by vLLM-Omni at {self._address.shown}."), "voice": voice},
            notices=notices,
            on_close=self._sessions.discard,
        )
        self._sessions.add(session)
        return session


def _voice(spec: EngineSpec, notices: list[str]) -> Part:
    """One of the checkpoint's own voices: the server takes no others."""
    for wanted in (spec.voice, spec.persona.voice):
        if wanted.removesuffix(".pt") in PERSONAPLEX_VOICES:
            if wanted == spec.voice:
                return Part(f"{wanted.removesuffix('.pt')}.pt", "As asked for.")
            notices.append(f"vLLM-Omni's PersonaPlex has no voice {spec.voice}; it speaks with the persona's own, {wanted}.")
            return Part(f"{wanted.removesuffix('.pt')}.pt", f"There is no {spec.voice}; it is the persona's own.")
    first = sorted(PERSONAPLEX_VOICES)[0]
    notices.append(f"vLLM-Omni's PersonaPlex has no voice {spec.voice}; it speaks with {first}.")
    return Part(f"{first}.pt", f"There is no {spec.voice}; it is the first that there is.")
