"""PersonaPlex over the wire: our gateway, which can be given words to say and be held, or NVIDIA's server, which cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from workbench.engines.base import Availability, EngineBusy, EngineError, EngineSession, EngineSpec, Part, PromptSize
from workbench.engines.personaplex.server import PROBE_TIMEOUT_S, Gateway, Server, ServerFault
from workbench.engines.personaplex.session import ANY_SERVER, DEADLINE_S, OURS, PersonaPlexSession
from workbench.engines.voices import PERSONAPLEX_VOICES
from workbench.personas import Persona
from workbench.protocol import ErrorMessage, Handshake, Metadata
from workbench.wire_client import ChatClient, ChatError, chat_url

PROMPT_TIMEOUT_S = 30.0
"""How long the prompt may take in: NVIDIA's server needs 8 s on an A10G, and longer while somebody else is before us."""
QUEUE_PATIENCE_S = 10.0
"""How long a place in the gateway's queue is kept without moving up."""

Query = dict[str, str | int | float | bool | None]


class PersonaPlexEngine:
    """A PersonaPlex server that many talks share. Implements `Engine`."""

    name = "personaplex"

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        prompt_timeout_s: float = PROMPT_TIMEOUT_S,
        queue_patience_s: float = QUEUE_PATIENCE_S,
    ) -> None:
        """`url`: such as `ws://127.0.0.1:8998`. `deadline_s`: how long a tick waits for its reply in real time. Raises ChatError when
        `url` is no address."""
        self._server = Server(url, token)
        self._deadline_s = deadline_s
        self._prompt_timeout_s = prompt_timeout_s
        self._queue_patience_s = queue_patience_s
        self._sessions: set[PersonaPlexSession] = set()

    async def probe(self) -> Availability:
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                gateway = await self._server.ask()
                if gateway is None:
                    await self._server.upgrade()
        except ServerFault as fault:
            return Availability("unavailable", fault.reason, fault.repair)
        except TimeoutError:
            silent = self._server.silent()
            return Availability("unavailable", silent.reason, silent.repair)
        took_ms = (time.perf_counter() - began_s) * 1_000
        return self._of_other(took_ms) if gateway is None else self._of_gateway(gateway, took_ms)

    async def prompt_size(self, persona: Persona) -> PromptSize | None:
        """Of a gateway of ours, with the voice that a talk would get; NVIDIA's server cannot tell."""
        try:
            gateway = await self._server.ask()
        except ServerFault:
            return None
        if gateway is None or not gateway.voices:
            return None
        voice = choose_voice(persona.voice, persona.voice, gateway.voices, [])
        return await self._server.prompt_size(voice.name, persona.prompt)

    def _of_gateway(self, gateway: Gateway, took_ms: float) -> Availability:
        if gateway.in_use >= gateway.slots:
            reason = f"All {gateway.slots} places of {self._server.shown} are taken, and {gateway.waiting} wait."
            repair = "Try again when a talk has ended, or start the gateway with more --slots."
            return Availability("busy", reason, repair, took_ms, gateway.slots, gateway.in_use, load=gateway.load)
        where = self._server.shown if gateway.gateways is None else f"{self._server.shown} ({gateway.gateways} gateways)"
        reason = f"{gateway.model} on {gateway.device} at {where} has made real steps and has a free place. {gateway.slowness}"
        names = tuple(name.rpartition(".")[0] for name in gateway.voices)
        return Availability("ready", reason.rstrip(), "", took_ms, gateway.slots, gateway.in_use, names, gateway.load)

    def _of_other(self, took_ms: float) -> Availability:
        """NVIDIA's server has one place and never says whether it is free."""
        if self._sessions:
            reason = f"{self._server.shown} holds one talk at a time, and one of ours has it."
            return Availability("busy", reason, "Try again when it has ended.", took_ms, 1, len(self._sessions))
        reason = (
            f"{self._server.shown} takes WebSockets at /api/chat. It is no gateway of ours: whether its model runs, and whether somebody "
            "else has its one place, shows only when a talk begins."
        )
        return Availability("ready", reason, "", took_ms, 1, None)

    async def open(self, spec: EngineSpec) -> EngineSession:
        """Raises EngineBusy when every place is taken, EngineError for everything else."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                gateway = await self._server.ask()
        except ServerFault as fault:
            raise EngineError(str(fault)) from fault
        except TimeoutError as error:
            raise EngineError(str(self._server.silent())) from error
        if gateway is None and self._sessions:
            raise EngineBusy(f"{self._server.shown} holds one talk at a time, and one of ours has it. Try again when it has ended.")
        notices: list[str] = []
        query, voice = self._query(spec, gateway, notices)
        client = await self._connect(query)
        try:
            opened = await self._be_let_in(client, notices, ours=gateway is not None)
        except BaseException:
            await client.close()
            raise
        session = PersonaPlexSession(
            client,
            spec.clock,
            address=self._server.shown,
            capabilities=ANY_SERVER if gateway is None else OURS,
            parts={**self._server_parts(gateway, opened), "voice": voice},
            notices=notices,
            deadline_s=self._deadline_s,
            on_close=self._sessions.discard,
        )
        self._sessions.add(session)
        return session

    def _query(self, spec: EngineSpec, gateway: Gateway | None, notices: list[str]) -> tuple[Query, Part]:
        sampling = {**spec.persona.sampling, **spec.sampling}
        if gateway is not None:
            if gateway.slowness:
                notices.append(f"{gateway.model} runs on {gateway.device}. {gateway.slowness}")
            voice = choose_voice(spec.voice, spec.persona.voice, gateway.voices, notices)
            query: Query = {"voice_prompt": voice.name, "text_prompt": spec.persona.prompt, "seed": spec.seed, "events": True}
            query["account"] = spec.account or None
            return query | _greedy_told(sampling), voice
        voice = choose_voice(spec.voice, spec.persona.voice, [f"{name}.pt" for name in PERSONAPLEX_VOICES], notices)
        if sampling or spec.seed is not None:
            # A `seed` in the query ends the talk there, and sampling is passed over.
            notices.append(f"{self._server.shown} draws with its own temperatures and seed; the persona's are not used.")
        return {"voice_prompt": voice.name, "text_prompt": f"{spec.persona.prompt} {spec.account}".strip()}, voice

    def _server_parts(self, gateway: Gateway | None, opened: Mapping[str, Any]) -> dict[str, Part]:
        """The model, and which gateway holds the talk: behind a balancer another one may have answered `/health`."""
        if gateway is None:
            return {"model": Part("PersonaPlex", f"{self._server.shown} speaks the PersonaPlex protocol and does not tell its model.")}
        model, revision, device = (
            str(opened.get(name, known))
            for name, known in (("model", gateway.model), ("revision", gateway.revision), ("device", gateway.device))
        )
        parts = {"model": Part(model, f"Revision {revision} on {device} at {self._server.shown}.")}
        if instance := opened.get("instance"):
            parts["gateway"] = Part(str(instance), f"Holds this talk, at {self._server.shown}.")
        return parts

    async def _connect(self, query: Query) -> ChatClient:
        server = self._server
        try:
            address = chat_url(server.url, query)
            return await ChatClient.connect(address, timeout_s=self._prompt_timeout_s, wait_for_handshake=False, token=server.token)
        except ChatError as error:
            raise (EngineBusy if error.code in ("busy", "http_503") else EngineError)(str(server.refused(error))) from error

    async def _be_let_in(self, client: ChatClient, notices: list[str], *, ours: bool) -> Mapping[str, Any]:
        """Waits for the handshake, which comes after the prompt phase; in a queue for as long as it moves. Gives what a gateway of ours
        tells with the handshake."""
        place: int | None = None
        try:
            async with asyncio.timeout(self._prompt_timeout_s) as limit, aclosing(client.receive()) as messages:
                async for message in messages:
                    match message:
                        case Handshake() if not ours:
                            return {}
                        case Metadata("opened", data):
                            return data
                        case ErrorMessage("busy", text):
                            raise EngineBusy(f"{self._server.shown}: {text}")
                        case ErrorMessage(_, text):
                            raise EngineError(f"{self._server.shown} refused the talk: {text}")
                        case Metadata("queue", data):
                            if place is None:
                                notices.append(f"Waited in the queue of {self._server.shown}, as number {data.get('position')} at first.")
                            place = data.get("position")
                            limit.reschedule(asyncio.get_running_loop().time() + self._queue_patience_s)
        except TimeoutError as error:
            if place is not None:
                raise EngineBusy(f"All places of {self._server.shown} are taken, and number {place} in its queue does not move.") from error
            raise EngineError(
                f"{self._server.shown} gave no handshake within {self._prompt_timeout_s:g} s; somebody else may be talking to it."
            ) from error
        raise EngineError(f"{self._server.shown} closed the talk before it began ({client.close_reason}); see its log.")


def choose_voice(asked: str, own: str, known: Sequence[str], notices: list[str]) -> Part:
    """The voice file to ask for: the one `asked` for, else the persona's `own`, else the first of `known`; another one than wanted is told.

    Raises EngineError when there is none at all."""
    for wanted in (asked, own):
        for name in known:
            if wanted in (name, name.rpartition(".")[0]):
                if wanted != asked:
                    notices.append(f"PersonaPlex has no voice {asked}; it speaks with the persona's own, {wanted}.")
                return Part(name, "As asked for." if wanted == asked else f"There is no {asked}; it is the persona's own.")
    if not known:
        raise EngineError("The gateway has no voice at all; start it with --voices FOLDER.")
    notices.append(f"PersonaPlex has no voice {asked}; it speaks with {known[0]}.")
    return Part(known[0], f"There is no {asked}; it is the first that there is.")


def _greedy_told(sampling: dict[str, float]) -> Query:
    """A persona's top-k of 0 means greedy, which the gateway is told by a temperature of 0."""
    told: Query = {}
    for stream in ("text", "audio"):
        temperature, top_k = sampling.get(f"{stream}_temperature"), sampling.get(f"{stream}_topk")
        if top_k == 0:
            temperature, top_k = 0.0, None
        told |= {f"{stream}_temperature": temperature, f"{stream}_topk": top_k}
    return told
