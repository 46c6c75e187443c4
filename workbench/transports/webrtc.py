"""WebRTC talks through FastRTC: the page's microphone component, and `POST /webrtc/offer` for other clients.

FastRTC is fed 48 kHz and gives 48 kHz, so neither it nor aiortc resamples in blocks of its own; the exact 2:1 is done here. Sound is
sent all the time, silence included: the browser's jitter buffer grows with every gap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection
from fastapi import APIRouter, Request
from fastrtc import AdditionalOutputs, AsyncStreamHandler, CloseStream, WebRTC, get_current_context
from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from numpy.typing import NDArray
from pydantic import BaseModel

from workbench.audio.frames import SAMPLE_RATE, Pcm, from_int16, silence, to_int16
from workbench.audio.resample import StreamResampler
from workbench.conversation.port import Opener, TalkPort, TalkRefused, TalkRequest
from workbench.engines.base import AgentFrame
from workbench.events import Event, PlayoutLost
from workbench.transports.downlink import Downlink
from workbench.transports.early import EarlySound
from workbench.transports.ice import IceServers, IceSettings, ice_servers
from workbench.transports.origin import origin_allowed
from workbench.transports.outbox import Outbox
from workbench.transports.webrtc_patches import Places, drop, guard, install, refused

log = logging.getLogger(__name__)

RTC_RATE = 48_000
MAX_UNSENT_FRAMES = 5
"""400 ms of agent frames may wait; FastRTC itself never drops any."""
FILL_SAMPLES = SAMPLE_RATE // 50
FILL_AFTER_S = 0.2
"""No agent frame for so long: silence is sent in its stead, 20 ms at a time."""
LOST_AFTER_S = 7.0
"""No sound from the user for so long: the peer is gone, whatever ICE says."""
ARGUMENTS_WITHIN_S = 5.0
"""The page answers with its settings in about 0.1 s; other clients never do."""
LEAVE_WITHIN_S = 3.0
"""Time for the client to close after it was told the end."""

ReadRequest = Callable[[Sequence[Any]], TalkRequest]
"""From the values of the page's input components, without the component itself, to what the visitor asks for."""


@dataclass(frozen=True, slots=True)
class WebRtcOptions:
    """What may differ between servers and tests."""

    max_calls: int = 16
    jitter_packets: int = 1
    loopback_only: bool = False
    allowed_origins: tuple[str, ...] = ()
    ice: IceSettings = field(default_factory=IceSettings)


class TalkHandler(AsyncStreamHandler):
    """One call: FastRTC's view of it (`AsyncStreamHandler`) and the talk's (`Listener`).

    No method raises: an exception here would leave the call standing, dead and silent.
    """

    def __init__(self, calls: WebRtcCalls, registry: Any, read: ReadRequest | None) -> None:
        super().__init__(expected_layout="mono", input_sample_rate=RTC_RATE, output_sample_rate=RTC_RATE)
        self.webrtc_id = ""
        self.port: TalkPort | None = None
        self._calls = calls
        self._registry = registry
        self._read = read
        self._early = EarlySound()
        self._outbox: Outbox[AdditionalOutputs | CloseStream] = Outbox(MAX_UNSENT_FRAMES)
        self._down: StreamResampler | None = None
        self._up = StreamResampler(SAMPLE_RATE, RTC_RATE)
        self._frame: Any = None
        self._heard_s: float | None = None
        self._filling = True
        self._opening: asyncio.Task[Any] | None = None
        self._downlink: Downlink | None = None
        self._watching: asyncio.Task[None] | None = None
        self._over = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def copy(self) -> TalkHandler:
        """A handler of its own for every call."""
        return TalkHandler(self._calls, self._registry, self._read)

    # --- FastRTC: opening and closing ---

    async def start_up(self) -> None:
        """Opens the talk. Sound comes already meanwhile."""
        self._opening = asyncio.current_task()
        try:
            context = get_current_context()
            self.webrtc_id = context.webrtc_id
            self._calls.add(self)
            port = await self._calls.open_talk(await self._request())
            self.port = port
            port.attach(self)
            self._early.hand_over(port)
            self._outbox.put(AdditionalOutputs(port.session_id))
            self._downlink = Downlink(
                self._registry.pcs[self.webrtc_id],
                lambda packets, round_trip_ms: port.publish(PlayoutLost, packets=packets, round_trip_ms=round_trip_ms),
            )
            self._watching = self._start(self._downlink.watch())
        except TalkRefused as refusal:
            self._close(refusal.message)
        except Exception:
            log.exception("a WebRTC talk could not be opened")
            self._close("The talk could not be opened because of a fault in the server; its log says more.")

    async def _request(self) -> TalkRequest:
        expected = self._calls.claim(self.webrtc_id)
        if expected is not None:
            return replace(expected, transport="webrtc")
        if self._read is None:
            return TalkRequest(transport="webrtc")
        try:
            await asyncio.wait_for(self.wait_for_args(), ARGUMENTS_WITHIN_S)  # type: ignore[no-untyped-call]  # FastRTC's
        except TimeoutError as error:
            raise TalkRefused("bad_request", "The page did not say which persona to talk to. Reload it and try again.") from error
        # The component's own value comes once or twice before the inputs.
        skip = 2 if len(self.latest_args) > 1 and self.latest_args[1] == self.webrtc_id else 1
        return replace(self._read(self.latest_args[skip:]), transport="webrtc")

    async def shutdown(self) -> None:
        """The connection is gone."""
        self._calls.remove(self)
        self._over = True
        if self.port is not None:
            if self._downlink is not None and self._stop_watching():
                await self._downlink.look()
            vanished = self._heard_s is not None and time.monotonic() - self._heard_s > LOST_AFTER_S / 2
            await self.port.hang_up("client_lost" if vanished else "hung_up")
        elif self._opening is not None and not self._opening.done():
            self._opening.cancel()

    # --- FastRTC: the user's sound ---

    def resample(self, frame: Any) -> Generator[Any, None, None]:
        """Passes the decoder's frame on as it is: its timestamp would be lost in FastRTC's resampler."""
        self._frame = frame
        yield frame

    async def receive(self, frame: tuple[int, NDArray[np.int16]]) -> None:
        """One decoded packet, int16 interleaved."""
        if self._over:
            return
        rate, samples = frame
        self._heard_s = time.monotonic()
        if self._down is None:
            self._down = StreamResampler(rate, SAMPLE_RATE)
        channels = len(self._frame.layout.channels)
        mono = from_int16(samples).reshape(-1, channels).mean(axis=1, dtype=np.float32)
        media = round(self._frame.pts * self._frame.time_base * SAMPLE_RATE)
        (self.port or self._early).push(self._down.push(mono), media, self._heard_s)

    # --- FastRTC: the agent's sound ---

    async def emit(self) -> Any:
        """The next 80 ms of the agent, 20 ms of silence while there is none, or the end."""
        if self._heard_s is not None and not self._over and time.monotonic() - self._heard_s > LOST_AFTER_S:
            self._over = True
            self._start(self._leave("client_lost"))
            return CloseStream("No sound came from the browser any more.")
        wait_s = FILL_SAMPLES / SAMPLE_RATE if self._filling else FILL_AFTER_S
        try:
            item = await asyncio.wait_for(self._outbox.get(), wait_s)
        except TimeoutError:
            self._filling = True
            return self._sound(silence(FILL_SAMPLES))
        if not isinstance(item, AgentFrame):
            return item
        if self._filling:
            # What was filled and is not yet sent would delay the agent for the whole talk.
            self._filling = False
            self._forget_queued()
        return self._sound(item.pcm)

    def _sound(self, pcm: Pcm) -> tuple[int, NDArray[np.int16]]:
        return RTC_RATE, to_int16(self._up.push(pcm)).reshape(1, -1)

    def _forget_queued(self) -> None:
        if self._clear_queue is not None:
            self.clear_queue()

    # --- listener ---

    def play(self, frame: AgentFrame, start_samples: int) -> None:
        self._outbox.play(frame)

    def flush(self) -> None:
        self._outbox.flush()
        self._forget_queued()

    def event(self, event: Event) -> None:
        """The page watches events through its own connection."""

    def end(self, reason: str, message: str) -> None:
        self._close(message or reason)

    def _stop_watching(self) -> bool:
        """After this nothing more is told of the way to the listener. False when that was so already: the talk may be over."""
        watched, self._watching = self._watching, None
        return watched is not None and watched.cancel()

    def _close(self, message: str) -> None:
        self._stop_watching()
        self._outbox.put(CloseStream(message))
        self._start(self._leave(None))

    async def _leave(self, reason: Any) -> None:
        if reason is not None and self.port is not None:
            await self.port.hang_up(reason)
        await asyncio.sleep(LEAVE_WITHIN_S)
        if self.webrtc_id in self._registry.pcs:
            await drop(self._registry, self.webrtc_id)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _ApiRegistry(WebRTCConnectionMixin):
    """FastRTC's `Stream` without the page it builds and the routes it opens (mu-law WebSocket, telephone)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # FastRTC's
        self.mode = "send-receive"
        self.modality = "audio"
        self.concurrency_limit = 1_000_000
        self.time_limit = None
        self.allow_extra_tracks = False
        self.rtc_configuration = None
        self.server_rtc_configuration = None


class _Offer(BaseModel):
    """FastRTC's form of an offer or an ICE candidate."""

    webrtc_id: str
    type: str
    sdp: str | None = None
    candidate: dict[str, Any] | None = None


class WebRtcCalls:
    """Every WebRTC call of the process, from the page and from the API, under one limit."""

    def __init__(self, open_talk: Opener, options: WebRtcOptions | None = None) -> None:
        self.options = options or WebRtcOptions()
        self.open_talk = open_talk
        self.ice: IceServers = ice_servers(self.options.ice)
        """For the page's `rtc_configuration`, and for the server's own side."""
        self._places = Places(self.options.max_calls, [])
        self._expected: dict[str, TalkRequest] = {}
        self._live: dict[str, TalkHandler] = {}
        install(jitter_packets=self.options.jitter_packets, loopback_only=self.options.loopback_only)

    @property
    def live(self) -> Mapping[str, TalkHandler]:
        """Calls whose handler has started, by `webrtc_id`."""
        return self._live

    @property
    def taken(self) -> int:
        """Calls that hold a place, connected or not."""
        return self._places.taken

    def expect(self, webrtc_id: str, request: TalkRequest) -> None:
        """The next offer with this id is for this talk. Only the newest 1,000 are kept."""
        self._expected[webrtc_id] = request
        while len(self._expected) > 1_000:
            del self._expected[next(iter(self._expected))]

    def claim(self, webrtc_id: str) -> TalkRequest | None:
        """What was expected of this id, once."""
        return self._expected.pop(webrtc_id, None)

    def add(self, handler: TalkHandler) -> None:
        self._live[handler.webrtc_id] = handler

    def remove(self, handler: TalkHandler) -> None:
        self._live.pop(handler.webrtc_id, None)

    def component(self, **arguments: Any) -> WebRTC:
        """The page's microphone; `arguments` are those of `fastrtc.WebRTC`. Call inside the Blocks, then `connect`."""
        microphone = WebRTC(modality="audio", mode="send-receive", rtc_configuration=self.ice, **arguments)
        guard(microphone, self._places, self.ice)
        return microphone

    def connect(self, microphone: WebRTC, inputs: Sequence[Any], read: ReadRequest) -> None:
        """Starts a talk at every Record click; `read` turns the values of `inputs` into a request. The session id comes out as the
        one additional output: `microphone.on_additional_outputs(fn, ..., concurrency_limit=None)`."""
        handler = TalkHandler(self, microphone, read)
        microphone.stream(handler, inputs=[microphone, *inputs], outputs=[microphone], concurrency_limit=1_000_000)

    def router(self) -> APIRouter:
        """`POST /webrtc/offer` in FastRTC's form, for clients other than the page."""
        registry: Any = _ApiRegistry()
        registry.event_handler = TalkHandler(self, registry, None)
        guard(registry, self._places, self.ice)
        router = APIRouter()

        @router.post("/webrtc/offer", responses={400: {"description": "The body is no offer.", "model": dict[str, str]}})
        async def offer(body: _Offer, request: Request) -> Any:
            """Opens a call. As FastRTC has it, a refusal is 200 with `status` `failed` and the reason in `meta`."""
            if not origin_allowed(request.headers.get("origin"), request.headers.get("host"), self.options.allowed_origins):
                return refused("forbidden_origin", "this origin may not open talks; add it to WORKBENCH_ALLOWED_ORIGINS")
            return await registry.handle_offer(body.model_dump(), registry.set_additional_outputs(body.webrtc_id))

        return router

    async def close(self) -> None:
        """Ends every call, for the end of the server."""
        connections: list[tuple[Any, str, RTCPeerConnection]] = [
            (registry, webrtc_id, connection) for registry in self._places.registries for webrtc_id, connection in registry.pcs.items()
        ]
        for handler in list(self._live.values()):
            if handler.port is not None:
                await handler.port.hang_up("server_stopped")
        for registry, webrtc_id, _connection in connections:
            await drop(registry, webrtc_id)
