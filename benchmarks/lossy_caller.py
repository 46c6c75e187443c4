"""The user of a talk over a bad network: an aiortc peer that sends a known signal and keeps what comes back. A process of its own.

    uv run python -m benchmarks.lossy_caller --url http://10.77.0.1:7860 --seconds 20 --seed 1 --out heard.npz

It tells on standard output, one JSON value a line, what the one who started it waits for: `"open"` when the talk is, `"said"` after the
signal; then it sends quiet until it is told to go (standard input ends), and writes `--out`:
`sent_s` [packets] when each 20 ms of the signal left the microphone, `arrived_s` and `at` [packets] when each packet of the agent came
and its place on the server's clock in samples at 48 kHz, `sound` [packets, 960] what was in it, and the receiver's own count of losses.
Times are `time.monotonic()`.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aioice.ice
import av
import httpx
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from benchmarks.lossy_signal import QUIET_RMS, RTC_RATE, noise
from workbench.audio.frames import Pcm, to_int16
from workbench.transports.webrtc_patches import install

PACKET = 960
CONNECT_WITHIN_S = 60.0


class Microphone(MediaStreamTrack):
    """Quiet noise, and from `begin` on the signal, in packets of 20 ms at the pace of real time."""

    kind = "audio"

    def __init__(self, signal: Pcm) -> None:
        super().__init__()
        self.sent_s: list[float] = []
        """For each packet of the signal: when its last sample was spoken."""
        self.said = asyncio.Event()
        self._signal = to_int16(signal)
        self._quiet = np.random.default_rng(0)
        self._next: int | None = None
        self._packets = 0
        self._began_s: float | None = None

    def begin(self) -> None:
        self._next = 0

    def _samples(self) -> Any:
        if self._next is not None and self._next < self._signal.size:
            piece = self._signal[self._next : self._next + PACKET]
            self._next += PACKET
            return piece
        if self._next is not None:
            self.said.set()
        return to_int16((QUIET_RMS * self._quiet.standard_normal(PACKET)).astype(np.float32))

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._began_s = self._began_s or time.monotonic()
        due_s = self._began_s + self._packets * PACKET / RTC_RATE
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        before = self._next
        frame = av.AudioFrame.from_ndarray(self._samples().reshape(1, -1), format="s16", layout="mono")
        if self._next != before:
            self.sent_s.append(due_s)
        frame.sample_rate, frame.pts, frame.time_base = RTC_RATE, self._packets * PACKET, fractions.Fraction(1, RTC_RATE)
        self._packets += 1
        return frame


@dataclass
class Heard:
    """What came from the agent."""

    arrived_s: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    sound: list[Any] = field(default_factory=list)

    async def listen(self, track: MediaStreamTrack) -> None:
        """Until the track ends."""
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                assert frame.pts is not None
                self.arrived_s.append(time.monotonic())
                self.at.append(frame.pts)
                self.sound.append(frame.to_ndarray().reshape(-1, 2)[:, 0].copy())
        except MediaStreamError:
            return


def _tell(state: str) -> None:
    print(json.dumps(state), flush=True)


async def _lost(pc: RTCPeerConnection) -> int:
    """What the receiver counts as lost: the figure of its own reports to the sender."""
    stats = await pc.getStats()
    return sum(report.packetsLost for report in stats.values() if report.type == "inbound-rtp")


async def call(url: str, signal: Pcm, out: Path) -> None:
    """One call, to the end of standard input. Raises TimeoutError when no talk comes about."""
    install(jitter_packets=8)
    # As patient as a browser: it is the server that is to notice.
    aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES = 5, 6
    pc, heard, opened, microphone = RTCPeerConnection(RTCConfiguration(iceServers=[])), Heard(), asyncio.Event(), Microphone(signal)
    listening: list[asyncio.Task[None]] = []
    channel = pc.createDataChannel("text")
    # The server has something to fetch as soon as the talk is open: its id.
    channel.on("message", lambda message: opened.set() if '"fetch_output"' in message else None)
    pc.on("track", lambda track: listening.append(asyncio.create_task(heard.listen(track))))
    closed = asyncio.Event()

    def state_changed() -> None:
        _tell(pc.connectionState)
        if pc.connectionState in ("closed", "failed"):
            closed.set()

    pc.on("connectionstatechange", state_changed)
    pc.addTrack(microphone)
    await pc.setLocalDescription(await pc.createOffer())
    offer = {"sdp": pc.localDescription.sdp, "type": "offer", "webrtc_id": uuid.uuid4().hex}
    async with httpx.AsyncClient(timeout=CONNECT_WITHIN_S) as client:
        answer = (await client.post(f"{url}/webrtc/offer", json=offer)).json()
    if "sdp" not in answer:
        raise SystemExit(f"{url} refused the call: {answer}")
    await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
    await asyncio.wait_for(opened.wait(), CONNECT_WITHIN_S)
    _tell("open")
    told_to_go = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    microphone.begin()
    waits = [asyncio.create_task(event.wait()) for event in (microphone.said, closed)]
    await asyncio.wait({*waits, told_to_go}, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if microphone.said.is_set():
        _tell("said")
    await told_to_go
    lost = await _lost(pc)
    await pc.close()
    await asyncio.gather(*listening)
    whole = [index for index, sound in enumerate(heard.sound) if sound.size == PACKET]
    np.savez_compressed(
        out,
        sent_s=np.asarray(microphone.sent_s),
        arrived_s=np.asarray(heard.arrived_s)[whole],
        at=np.asarray(heard.at)[whole],
        sound=np.asarray([heard.sound[index] for index in whole], dtype=np.int16).reshape(-1, PACKET),
        lost=np.asarray(lost),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(call(options.url, noise(options.seconds, options.seed), options.out))


if __name__ == "__main__":
    main()
