"""What stands at a PersonaPlex address: asked each time anew, since a server that answered a minute ago may be gone."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from workbench.audio.frames import FRAME_MS
from workbench.engines.base import Load, PromptSize
from workbench.wire_client import ChatClient, ChatError, chat_url, shown_address

PROBE_TIMEOUT_S = 3.0
WORKBENCH = "personaplex-workbench"
"""How a workbench names itself at `/health`; its `/api/chat` would answer, with a talk that leads back to itself."""


class ServerFault(Exception):
    """A server cannot be used just now: what was found, and how to mend it."""

    def __init__(self, reason: str, repair: str) -> None:
        super().__init__(f"{reason} {repair}")
        self.reason = reason
        self.repair = repair


class ServerFailed(ServerFault):
    """A gateway answers and its model is lost: only a new start helps."""


class _Steps(BaseModel):
    n: int
    p50_ms: float
    p95_ms: float


class _Memory(BaseModel):
    used_mib: int
    total_mib: int


class _Health(BaseModel):
    """The parts of a gateway's `/health` that are used here."""

    status: str
    reason: str = ""
    instance: str = ""
    model: str
    revision: str
    device: str
    slots: int
    in_use: int
    waiting: int
    step_ms: float | None = None
    steps: _Steps | None = None
    memory: _Memory | None = None

    @property
    def load(self) -> Load:
        told = Load(self.model, self.device, self.waiting, self.step_ms, instance=self.instance)
        if self.steps is not None:
            told = replace(told, step_n=self.steps.n, step_p50_ms=self.steps.p50_ms, step_p95_ms=self.steps.p95_ms)
        if self.memory is not None:
            told = replace(told, memory_used_mib=self.memory.used_mib, memory_total_mib=self.memory.total_mib)
        return told


class _Pool(BaseModel):
    """All gateways behind a balancer of `workbench deploy haproxy`, as the headers of an answer tell."""

    up: int = Field(alias="x-gateways-up")
    slots: int = Field(alias="x-gateways-slots")
    in_use: int = Field(alias="x-gateways-in-use")
    waiting: int = Field(alias="x-gateways-waiting")


class _Voice(BaseModel):
    name: str


class _Voices(BaseModel):
    voices: list[_Voice]


class _PromptAnswer(BaseModel):
    """The answer of `/prompt`."""

    tokens: int | None
    frames: int | None
    ready_ms: float | None
    error: str

    @property
    def size(self) -> PromptSize:
        return PromptSize(self.tokens or 0, self.frames or 0, self.ready_ms, self.error)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway of ours, as it described itself just now."""

    model: str
    revision: str
    device: str
    slots: int
    in_use: int
    waiting: int
    voices: tuple[str, ...]
    """File names, such as `NATF2.pt`."""
    step_ms: float | None = None
    """What a step of all its places took when it started."""
    load: Load | None = None
    gateways: int | None = None
    """How many take talks behind a balancer, of which this is one; places are counted over all of them. None: there is no balancer."""

    @property
    def slowness(self) -> str:
        """What to tell of one that cannot keep up; empty where it can, or does not say."""
        if self.step_ms is None or self.step_ms <= FRAME_MS:
            return ""
        return f"Its step took {self.step_ms:.0f} ms when it started, and a talk needs one every {FRAME_MS} ms: there will be gaps."


class Server:
    """An address and the token for it."""

    def __init__(self, url: str, token: str | None) -> None:
        """Raises ChatError when `url` is no address of a server."""
        parts = urlsplit(chat_url(url, {}))
        scheme = {"ws": "http", "wss": "https"}[parts.scheme]
        self.url = url
        self.token = token
        self.shown = shown_address(urlunsplit((parts.scheme, parts.netloc, "", "", "")))
        """The address for messages, without secrets."""
        self._base = urlunsplit((scheme, parts.netloc, parts.path.removesuffix("/api/chat"), "", ""))
        # Reading the system's certificates takes 20 ms of the event loop; done once, and not at all where nothing is encrypted.
        self._tls = ssl.create_default_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def ask(self) -> Gateway | None:
        """What the gateway says of itself; None when something answers that is no gateway of ours. Raises ServerFault."""
        try:
            async with self._client() as client:
                answer = await client.get("/health")
                health = _read_health(answer)
                if health is None:
                    return None
                pool = _read_pool(answer)
                voices = await client.get("/voices")
        except httpx.ProtocolError:
            # It takes WebSockets only.
            return None
        except httpx.TimeoutException as error:
            raise self.silent() from error
        except httpx.HTTPError as error:
            raise ServerFault(f"Nothing can be reached at {self.shown} ({error}).", self._start_it()) from error
        if health.status == "draining":
            raise ServerFault(f"The gateway at {self.shown} is being drained: it takes no new talk.", "Wait for the next, or start one.")
        if health.status != "ready":
            raise ServerFailed(f"The gateway at {self.shown} has failed: {health.reason}.", "Restart it.")
        if voices.status_code in (401, 403):
            raise ServerFault(f"The gateway at {self.shown} asks for a token.", "Set PERSONAPLEX_TOKEN to the one it was started with.")
        try:
            names = _Voices.model_validate_json(voices.content).voices
        except ValidationError as error:
            raise ServerFault(f"The gateway at {self.shown} does not list its voices (HTTP {voices.status_code}).", "Update it.") from error
        counted = health if pool is None else pool
        return Gateway(
            health.model,
            health.revision,
            health.device,
            counted.slots,
            counted.in_use,
            counted.waiting,
            tuple(voice.name for voice in names),
            health.step_ms,
            health.load if pool is None else replace(health.load, waiting=pool.waiting, gateways=pool.up),
            None if pool is None else pool.up,
        )

    async def prompt_size(self, voice: str, text: str) -> PromptSize | None:
        """What a prompt costs; None when nothing answers that can tell."""
        try:
            async with self._client() as client:
                answer = await client.post("/prompt", json={"voice": voice, "text": text})
            return _PromptAnswer.model_validate_json(answer.content).size
        except (httpx.HTTPError, ValidationError):
            return None

    async def upgrade(self) -> None:
        """Opens a WebSocket at `/api/chat` and closes it again. Raises ServerFault.

        Without parameters: NVIDIA's server gives the talk of whoever is there the prompt of whoever comes, so a trial must bring none."""
        try:
            client = await ChatClient.connect(self.url, timeout_s=PROBE_TIMEOUT_S, wait_for_handshake=False, token=self.token)
        except ChatError as error:
            raise self.refused(error) from error
        await client.close()

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.AsyncClient(base_url=self._base, headers=headers, verify=self._tls, timeout=PROBE_TIMEOUT_S, trust_env=False)

    def refused(self, error: ChatError) -> ServerFault:
        """What a failed connection means."""
        match error.code:
            case "http_401" | "http_403":
                return ServerFault(f"{self.shown} lets nobody in without the right token.", "Set PERSONAPLEX_TOKEN to its token.")
            case "busy":
                return ServerFault(f"{self.shown}: {error}", "Try again when a talk has ended.")
            case "draining" | "down":
                return ServerFault(f"{self.shown}: {error}", self._start_it())
            case "http_503":
                return ServerFault(f"{self.shown} has no place or no gateway for a talk (HTTP 503).", "Try again in a moment.")
            case "http_414":
                return ServerFault("The persona's prompt is too long for an address.", "Shorten it to 1,000 characters.")
            case "connection":
                return ServerFault(f"No talk can be opened ({error}).", self._start_it())
            case _:
                return ServerFault(f"What answers at {self.shown} is no PersonaPlex server ({error}).", "Correct PERSONAPLEX_URL.")

    def silent(self) -> ServerFault:
        """Something takes the connection and says nothing."""
        return ServerFault(
            f"{self.shown} gave no answer within {PROBE_TIMEOUT_S:.0f} s.", "Restart that server, or correct PERSONAPLEX_URL."
        )

    def _start_it(self) -> str:
        return "Start one with `workbench gateway`, or correct PERSONAPLEX_URL."


def _read_pool(answer: httpx.Response) -> _Pool | None:
    """None where no balancer of ours has added its count. One that cannot be read is no count: the gateway's own is true of itself."""
    try:
        return _Pool.model_validate(dict(answer.headers))
    except ValidationError:
        return None


def _read_health(answer: httpx.Response) -> _Health | None:
    """None for what is no answer of a gateway. Raises ServerFault for a workbench."""
    try:
        found: Any = answer.json()
    except ValueError:
        return None
    if isinstance(found, dict) and found.get("service") == WORKBENCH:
        raise ServerFault("PERSONAPLEX_URL leads to a workbench, not to a PersonaPlex server.", "Set it to the gateway, port 8998.")
    try:
        return _Health.model_validate(found)
    except ValidationError:
        return None
