"""One talk with the echo engine over a bad network, and what became of its sound: shared by `packet_loss` and the tests.

The server's own stereo recording and events are compared with what was sent, the link's log says which packets were lost, and the
caller's file what came back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.lossy_link import Conditions, LossyLink, RtpPacket
from benchmarks.lossy_signal import Found, at_24k, find_pieces, noise, silenced_samples
from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, from_int16
from workbench.events import Event
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore

ROOT = Path(__file__).parents[1]
PORT = 7860
"""Inside the link's own namespace, where nobody else listens."""
START_WITHIN_S = 280.0
"""10 s on a quiet machine; minutes where a dozen other programs want each core."""
GIVEN_UP_AFTER_S = 4.0
"""A server that sends nothing for so long has ended the call: it sends sound or silence all the time."""
PACKET = 480
"""Samples of a packet at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Script:
    """A talk to be held: the network before, and from the signal's beginning to its end."""

    conditions: Conditions
    seconds: float
    seed: int
    outage_s: float = 0.0
    """In the middle of the signal nothing goes through for so long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a talk has left behind."""

    script: Script
    sent: Pcm
    """The signal at 24 kHz."""
    stems: tuple[Pcm, Pcm]
    """The server's recording: user and agent at 24 kHz."""
    events: list[Event]
    ended_reason: str
    packets: list[RtpPacket]
    sent_s: Any
    arrived_s: Any
    at: Any
    sound: Any
    lost_by_receiver: int

    def lost(self, *, upward: bool) -> int:
        """Packets that the link lost in one direction, between the first and the last that it let through: others nobody can miss."""
        fates = [packet.lost for packet in self.packets if packet.upward is upward]
        through = [index for index, lost in enumerate(fates) if not lost]
        return sum(fates[through[0] : through[-1]]) if through else 0

    def sent_packets(self, *, upward: bool) -> int:
        return sum(packet.upward is upward for packet in self.packets)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def whole(self) -> bool:
        """The recording is as long as the session: 80 ms for each tick, no more and no less."""
        return bool(self.stems[0].size == len(self.of(events.FrameTiming)) * FRAME_SAMPLES)

    @property
    def told_lost_packets(self) -> int:
        """What the server's `AudioLost` events say of the network."""
        return sum(event.packets for event in self.of(events.AudioLost) if event.cause == "network")

    @property
    def told_lost_samples(self) -> int:
        return sum(event.samples for event in self.of(events.AudioLost) if event.cause == "network")

    @property
    def silenced_frames(self) -> float:
        """Frames of 20 ms in the user's stem that are silence where there was sound."""
        return silenced_samples(self.stems[0]) / PACKET

    @property
    def delayed_frames(self) -> float:
        """Those of them that stand for no lost packet: sound came late, and all of it is heard after them."""
        samples: int = sum(event.samples for event in self.of(events.AudioDelayed))
        return samples / PACKET

    @property
    def left_out_ms(self) -> float:
        """Sound that was left out in pauses to come back to real time."""
        samples: int = sum(-event.samples for event in self.of(events.ClockCorrected) if event.samples < 0)
        return samples * 1_000 / SAMPLE_RATE

    @property
    def told_playout_lost(self) -> int:
        """What the server's `PlayoutLost` events say."""
        return sum(event.packets for event in self.of(events.PlayoutLost))

    @property
    def held_up_ms(self) -> float:
        """The longest that a tick of the talk was late: the machine had no time for it, and what follows is no fault of the network."""
        latest: float = max(event.late_ms for event in self.of(events.FrameTiming))
        return latest

    def user_pieces(self) -> list[Found]:
        return find_pieces(self.sent, self.stems[0])

    def agent_pieces(self) -> list[Found]:
        return find_pieces(self.sent, self.stems[1])

    def played(self) -> Pcm:
        """The agent as the caller got it, put together by the packets' timestamps, at 24 kHz; lost packets are silence."""
        if not self.at.size:
            return np.zeros(0, np.float32)
        first = int(self.at.min())
        out = np.zeros(int(self.at.max()) - first + self.sound.shape[1], np.int16)
        for at, sound in zip(self.at, self.sound, strict=True):
            out[at - first : at - first + sound.size] = sound
        return at_24k(from_int16(out))

    def delays_ms(self) -> list[float]:
        """Mouth to ear without the caller's own playout buffer: from each piece's last sample spoken to the arrival of the packet that
        ends its echo."""
        first = int(self.at.min()) if self.at.size else 0
        order = np.argsort(self.at)
        places, arrivals = self.at[order], self.arrived_s[order]
        delays = []
        for piece in find_pieces(self.sent, self.played()):
            end = round(0.5 * SAMPLE_RATE)
            packet = min((piece.sent + end) // PACKET, self.sent_s.size) - 1
            index = int(np.searchsorted(places, first + 2 * (piece.heard + end) - 1, side="right")) - 1
            delays.append((float(arrivals[index]) - float(self.sent_s[packet])) * 1_000)
        return delays


class LossyServer:
    """A server with the echo engine on the near side of a bad network, in `folder`, for one talk after the other.

    `hold` each talk, `read` them when the server has ended, in the order in which they were held.
    """

    def __init__(self, folder: Path, *, stock_aiortc: bool = False) -> None:
        self._folder = folder
        self._held: list[tuple[Script, Path, float]] = []
        self._stock_aiortc = stock_aiortc
        self.link = LossyLink(log=folder / "packets.jsonl")

    def __enter__(self) -> LossyServer:
        try:
            self._process = self._start()
        except BaseException:
            self.link.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)
        self.link.close()

    def _start(self) -> subprocess.Popen[bytes]:
        log, data = self._folder / "server.log", self._folder / "var"
        flags = ["--stock-aiortc"] if self._stock_aiortc else []
        server = ("benchmarks.scripted_server", "--port", str(PORT), "--data-dir", str(data), *flags)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
        environment |= {"PYTHONPATH": str(ROOT), "WORKBENCH_HOST": self.link.near.address, "WORKBENCH_ENGINE": "echo"}
        with log.open("w") as output:
            command = self.link.near.command(sys.executable, "-m", *server)
            # Away from the checkout, whose `.env` is its owner's.
            process = subprocess.Popen(command, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + START_WITHIN_S
        while "Ready: " not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise RuntimeError(f"the server is not ready: {log.read_text()[-2_000:]}")
            time.sleep(0.05)
        return process

    def hold(self, script: Script) -> None:
        """One talk. Loss lasts from the signal's beginning to its end; delay and jitter hold all the time."""
        whole_time = replace(script.conditions, loss=0.0, duplicate=0.0)
        self.link.set(whole_time, seed=script.seed)
        out = self._folder / f"heard-{len(self._held)}.npz"
        began_s = time.monotonic()
        with _caller(self.link, script, out) as caller:
            caller.wait_for("open")
            self.link.set(script.conditions, seed=script.seed)
            if script.outage_s:
                time.sleep(script.seconds / 2)
                self.link.set(Conditions(dead=True))
                time.sleep(script.outage_s)
                self.link.set(script.conditions)
            caller.wait_for("said")
            self.link.set(whole_time)
            # The end of the signal is on its way, and so are the reports of what was lost.
            time.sleep(2.5)
            caller.finish()
        self._held.append((script, out, began_s))

    def lose(self, script: Script) -> None:
        """A talk whose network dies for good after the signal, until the server has given it up."""
        out = self._folder / f"heard-{len(self._held)}.npz"
        self.link.set(script.conditions, seed=script.seed)
        began_s = time.monotonic()
        with _caller(self.link, script, out) as caller:
            caller.wait_for("said")
            self.link.set(Conditions(dead=True))
            while time.monotonic() - max(packet.at_s for packet in self.link.packets() if not packet.upward) < GIVEN_UP_AFTER_S:
                time.sleep(0.2)
            caller.finish()
        self._held.append((script, out, began_s))

    def read(self) -> list[Kept]:
        """Everything that was held. Call when the server has ended."""
        packets = self.link.packets()
        store = DuckDbStore(self._folder / "var" / "workbench.duckdb")
        try:
            sessions = sorted(queries.list_sessions(store), key=lambda row: row["started_at"])
            return [
                self._read(store, session["session_id"], script, out, [packet for packet in packets if begin <= packet.at_s < end])
                for session, (script, out, begin), end in zip(
                    sessions, self._held, [*(begin for *_, begin in self._held[1:]), float("inf")], strict=True
                )
            ]
        finally:
            store.close()

    def _read(self, store: DuckDbStore, session_id: str, script: Script, out: Path, packets: list[RtpPacket]) -> Kept:
        session = queries.get_session(store, session_id)
        assert session is not None
        stereo, _rate = soundfile.read(self._folder / "var" / "audio" / f"{session_id}.flac", dtype="int16")
        with np.load(out) as file:
            arrays = {name: file[name] for name in file.files}
        return Kept(
            script=script,
            sent=at_24k(noise(script.seconds, script.seed)),
            stems=(from_int16(stereo[:, 0]), from_int16(stereo[:, 1])),
            events=queries.read_events(store, session_id),
            ended_reason=str(session["ended_reason"]),
            packets=packets,
            lost_by_receiver=int(arrays.pop("lost")),
            **arrays,
        )


@dataclass(frozen=True, slots=True)
class _Caller:
    process: subprocess.Popen[str]

    def wait_for(self, state: str) -> None:
        """Raises RuntimeError when the caller ends instead."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json.loads(line) == state:
                return
        raise RuntimeError(f"the caller ended with {self.process.wait()} before it told {state!r}")

    def finish(self) -> None:
        """Has it hang up and write down what it heard. Raises RuntimeError when it fails."""
        self.process.communicate(timeout=60)
        if self.process.returncode:
            raise RuntimeError(f"the caller ended with {self.process.returncode}")


@contextmanager
def _caller(link: LossyLink, script: Script, out: Path) -> Iterator[_Caller]:
    arguments = ("--url", f"http://{link.near.address}:{PORT}", "--seconds", str(script.seconds), "--seed", str(script.seed))
    command = link.far.command(sys.executable, "-m", "benchmarks.lossy_caller", *arguments, "--out", str(out))
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield _Caller(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
