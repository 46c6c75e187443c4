"""What FastRTC 0.0.34, aiortc 1.16 and aioice 0.13 do wrong for live talk, put right from outside. Each entry names the fault.

`install` changes the process once; `guard` changes one registry of connections (the page's component, or our API route).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import aioice.ice
import aiortc.rtcrtpreceiver
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from fastapi.responses import JSONResponse

from workbench.transports.ice import IceError, IceServers

log = logging.getLogger(__name__)

CONSENT_INTERVAL_S = 1
CONSENT_FAILURES = 5
"""A vanished peer is noticed after 10 s at most, and mostly before by its missing sound; aioice waits 30 s (6 failures, one every 5 s)."""
STUN_WAIT_S = 1.0
"""How long an answer is waited for. aioice's 0.5 s ends every call over a network with a longer round trip: each of its checks fails."""
START_WITHIN_S = 10.0
"""A call that never connects, or whose data channel never opens, is closed after this; FastRTC keeps its place 30 s, or for ever."""
MAX_SDP_CHARS = 65_536
MOST_HOLD = 8
CALM_PACKETS = 1_500
"""30 s."""
REMEMBERED_PACKETS = 512
_RESTART_DISTANCE = 3_000
"""Packets (60 s) by which a sequence number must jump to count as a new beginning."""


class PacketGroup(JitterFrame):
    """One encoded frame to be decoded, and those that are due right after it."""

    def __init__(self, packets: list[RtpPacket]) -> None:
        first = packets[0]
        super().__init__(first._data, first.timestamp)  # type: ignore[attr-defined]  # set by the receiver, not declared
        self.rest = [(packet._data, (packet.timestamp - first.timestamp) & 0xFFFFFFFF) for packet in packets[1:]]  # type: ignore[attr-defined]  # as above


class PacketOrder:
    """Stands in for aiortc's JitterBuffer on audio: packets in order go on at once, a gap waits for `hold` later packets.

    aiortc's own holds four packets back always (80 ms), and after a lost packet stands still until sixteen more have come (320 ms),
    then gives one for each that comes, so that the delay stays. Here a loss costs the lost packet only. A packet that comes after it was
    given up would have been heard had the gap waited longer: from then on gaps wait for one packet more, up to `MOST_HOLD`, and for one
    less again after `CALM_PACKETS` without such.
    """

    def __init__(self, hold: int = 1) -> None:
        self._least = self.hold = hold
        """`hold`: for how many later packets a gap waits now."""
        self._waiting: dict[int, RtpPacket] = {}
        self._given_up: deque[int] = deque(maxlen=REMEMBERED_PACKETS)
        self._calm = 0
        self._next: int | None = None
        """The extended sequence number that is due."""
        self.lost = 0
        """Given up, those that came late after all included."""
        self.late = 0
        self.duplicates = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Takes one packet. The answer is aiortc's: whether a key frame is needed (never), and what may be decoded."""
        if self._next is None:
            self._next = packet.sequence_number
        ahead = (packet.sequence_number - self._next + 0x8000) % 0x1_0000 - 0x8000
        if abs(ahead) > _RESTART_DISTANCE:
            self._waiting.clear()
            self._given_up.clear()
            self._next, ahead = packet.sequence_number, 0
        number = self._next + ahead
        self._relax()
        if ahead < 0:
            self._missed(number)
            return False, None
        self.duplicates += number in self._waiting
        self._waiting[number] = packet
        while self._next not in self._waiting and len(self._waiting) > self.hold:
            self.lost += 1
            self._given_up.append(self._next)
            self._next += 1
        due: list[RtpPacket] = []
        while self._next in self._waiting:
            due.append(self._waiting.pop(self._next))
            self._next += 1
        # Padding carries no sound.
        sound = [packet for packet in due if packet._data]  # type: ignore[attr-defined]  # set by the receiver, not declared
        return False, PacketGroup(sound) if sound else None

    def _missed(self, number: int) -> None:
        """A packet behind its place: given up too early, or the second copy of one that went on."""
        if number not in self._given_up:
            self.duplicates += 1
            return
        self._given_up.remove(number)
        self.late += 1
        self.hold = max(self.hold, min(MOST_HOLD, self.hold + 1))
        self._calm = 0

    def _relax(self) -> None:
        self._calm += 1
        if self._calm >= CALM_PACKETS and self.hold > self._least:
            self.hold -= 1
            self._calm = 0


class _Decodes(Protocol):
    def decode(self, encoded_frame: JitterFrame) -> list[Any]: ...


class GroupDecoder:
    """Decodes packet groups with the decoder for single frames."""

    def __init__(self, inner: _Decodes) -> None:
        self._inner = inner

    def decode(self, encoded_frame: JitterFrame) -> list[Any]:
        """The frames of the group, each with its own timestamp."""
        frames = list(self._inner.decode(encoded_frame))
        if isinstance(encoded_frame, PacketGroup):
            for data, later in encoded_frame.rest:
                frames += self._inner.decode(JitterFrame(data, encoded_frame.timestamp + later))
        return frames


# The seams are the names that the libraries' own modules look up.
_receiver: Any = aiortc.rtcrtpreceiver
_ice: Any = aioice.ice
_get_decoder = _receiver.get_decoder
_host_addresses = _ice.get_host_addresses


def install(*, jitter_packets: int = 1, loopback_only: bool = False) -> None:
    """Changes the libraries for this process; may be called again with other values.

    `jitter_packets`: for how many later packets (20 ms each) a missing one is waited for at least. `loopback_only`: media over 127.0.0.1,
    for tests and machines without a network (aioice leaves loopback out).
    """

    def buffer(capacity: int, prefetch: int = 0, is_video: bool = False) -> JitterBuffer | PacketOrder:
        return JitterBuffer(capacity, prefetch, is_video) if is_video else PacketOrder(jitter_packets)

    _receiver.JitterBuffer = buffer
    _receiver.get_decoder = lambda codec: GroupDecoder(_get_decoder(codec))
    _ice.CONSENT_INTERVAL = CONSENT_INTERVAL_S
    _ice.CONSENT_FAILURES = CONSENT_FAILURES
    _ice.stun.RETRY_RTO = STUN_WAIT_S
    _ice.get_host_addresses = _loopback if loopback_only else _host_addresses


def _loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if use_ipv4 else ["::1"]


def to_aiortc(configuration: dict[str, Any]) -> RTCConfiguration:
    """`{"iceServers": [...]}` as aiortc wants it. An empty list means none; aiortc's own default is a public STUN server."""
    return RTCConfiguration(
        iceServers=[
            RTCIceServer(urls=server["urls"], username=server.get("username"), credential=server.get("credential"))
            for server in configuration["iceServers"]
        ]
    )


@dataclass(slots=True)
class Places:
    """How many calls there may be, over all registries: FastRTC counts each registry apart."""

    limit: int
    registries: list[Any]

    @property
    def taken(self) -> int:
        return sum(len(registry.pcs) for registry in self.registries)


def guard(registry: Any, places: Places, ice: IceServers) -> None:
    """Makes one FastRTC registry (`WebRTCConnectionMixin`) safe against bad offers, and gives it fresh ICE servers at every call.

    Faults put right: a malformed offer keeps its place for ever; a call without a data channel connects, stays silent and keeps its
    place; the page's and the API's calls are counted apart; the server's ICE servers are asked for once and then expire.
    """
    original = registry.handle_offer
    places.registries.append(registry)

    async def handle_offer(body: dict[str, Any], set_outputs: Any) -> Any:
        webrtc_id = body.get("webrtc_id")
        if body.get("type") == "ice-candidate":
            return await original(body, set_outputs)
        if not isinstance(webrtc_id, str) or not 0 < len(webrtc_id) <= 128:
            return refused("bad_offer", "webrtc_id must be a text of 1 to 128 characters")
        if not _is_offer(body):
            return refused("bad_offer", _NO_OFFER)
        if webrtc_id in registry.pcs or webrtc_id in registry.connections:
            return refused("connection_already_exists", "this webrtc_id is in use; choose another")
        if places.taken >= places.limit:
            return refused("concurrency_limit_reached", f"all {places.limit} calls are taken; try again later", limit=places.limit)
        try:
            registry.server_rtc_configuration = to_aiortc(await ice())
            answer = await original(body, set_outputs)
        except IceError as error:
            return refused("ice_unavailable", str(error))
        except Exception as error:  # noqa: BLE001 - whatever SDP makes aiortc raise, the caller learns of it and the place is freed
            # Its own words may quote the offer, and with it the keys of the call.
            log.warning("WebRTC offer refused: %s", type(error).__name__)
            await drop(registry, webrtc_id)
            return refused("bad_offer", _NO_OFFER)
        watch = asyncio.create_task(_close_unless_started(registry, webrtc_id), name="webrtc-start")
        _watches.add(watch)
        watch.add_done_callback(_watches.discard)
        return answer

    registry.handle_offer = handle_offer


_watches: set[asyncio.Task[None]] = set()
_NO_OFFER = "this is no offer that can be answered; send an SDP offer with an audio track and a data channel"


def _is_offer(body: dict[str, Any]) -> bool:
    sdp = body.get("sdp")
    # Without a data channel FastRTC connects and stays silent for ever; without audio there is nothing to connect.
    return (
        body.get("type") == "offer"
        and isinstance(sdp, str)
        and len(sdp) <= MAX_SDP_CHARS
        and "\nm=audio " in sdp
        and "\nm=application " in sdp
    )


def refused(error: str, message: str, **more: Any) -> JSONResponse:
    """FastRTC's form of a refusal: HTTP 200 and `status: failed`."""
    return JSONResponse({"status": "failed", "meta": {"error": error, "message": message, **more}})


async def drop(registry: Any, webrtc_id: str) -> None:
    """Closes one call and frees its place."""
    connection = registry.pcs.get(webrtc_id)
    for track in registry.clean_up(webrtc_id):
        track.stop()
    if connection is not None:
        await connection.close()


async def _close_unless_started(registry: Any, webrtc_id: str) -> None:
    await asyncio.sleep(START_WITHIN_S)
    tracks = registry.connections.get(webrtc_id, [])
    if webrtc_id in registry.pcs and not any(track.has_started for track in tracks):
        log.warning("WebRTC call closed: it did not connect with a data channel within %g s", START_WITHIN_S)
        await drop(registry, webrtc_id)
