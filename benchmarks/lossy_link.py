"""A bad network between two programs on one machine: two network namespaces, a TUN device in each, and a forwarder between them.

    with LossyLink(log=Path("packets.jsonl"), seed=1) as link:
        subprocess.Popen(link.near.command("python", "server.py"))        # listens on near.address
        subprocess.Popen(link.far.command("python", "client.py"))
        link.set(Conditions(delay_ms=50, jitter_ms=10, loss=0.05))

The namespaces have no names: they are held open by the forwarder and by whoever runs in them, so nothing is left behind whoever is
killed, and runs side by side never meet. Programs inside are killed with the thread that started them. It needs root and `/dev/net/tun`;
the kernel's own netem is not needed. Delay and jitter hold for every packet, loss and duplication for RTP only, so that handshakes do
not hang on luck, and every RTP packet is logged with its fate.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import json
import os
import random
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
TUN = Path("/dev/net/tun")
MTU = 1_400
ADDRESSES = ("10.77.0.1", "10.77.0.2")
"""Of the near and the far end; the same in every link, since nobody outside sees them."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the link does from now on, in both directions."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Standard deviation of the delay."""
    ordered: bool = True
    """No packet overtakes another; with jitter, some wait for those before them."""
    loss: float = 0.0
    """Share of the RTP packets that vanish."""
    burst_packets: float | None = None
    """Mean length of a run of lost packets (a Gilbert channel); None = every packet has a fate of its own."""
    duplicate: float = 0.0
    """Share of the RTP packets that come twice."""
    dead: bool = False
    """Nothing at all goes through."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet as the link saw it. SRTP leaves the header readable."""

    at_s: float
    """`time.monotonic()` when it was sent."""
    upward: bool
    """From the far end (the caller) to the near one (the server)."""
    ssrc: int
    sequence: int
    timestamp: int
    lost: bool
    copies: int


def missing() -> str | None:
    """Why no link can be made here, None when one can."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not TUN.exists():
        return f"{TUN} is not there"
    if shutil.which("ip") is None:
        return "`ip` (iproute2) is not installed"
    return None


@dataclass(frozen=True, slots=True)
class End:
    """One side of the link."""

    address: str
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        """`arguments` as a command that runs on this side. It is killed when the thread that starts it ends."""
        return [sys.executable, __file__, "enter", self.namespace, str(os.getpid()), *arguments]


class LossyLink:
    """The link, run in a process of its own. `log`: where every RTP packet is written down, one JSON array a line."""

    def __init__(self, *, log: Path, seed: int = 0, conditions: Conditions | None = None) -> None:
        if (reason := missing()) is not None:
            raise RuntimeError(f"no lossy link can be made: {reason}")
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, __file__, "forward", str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.near, self.far = (End(address, namespace) for address, namespace in zip(ADDRESSES, self._answer(), strict=True))
        self.set(conditions or Conditions(), seed=seed)

    def __enter__(self) -> LossyLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set(self, conditions: Conditions, *, seed: int | None = None) -> None:
        """Holds from now on; returns when it does. What is under way keeps its delay. `seed`: chance begins anew."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([asdict(conditions), seed]) + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the lossy link ended with exit code {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the forwarder and completes its log. May be called twice."""
        if self._process.poll() is None:
            self._process.communicate(timeout=10)

    def packets(self) -> list[RtpPacket]:
        """Every RTP packet so far, in the order in which they were sent."""
        return [RtpPacket(*json.loads(line)) for line in self._log.read_text().splitlines()]


# --- inside the forwarder's process ---------------------------------------------------------------------------------------


_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} failed: {os.strerror(ctypes.get_errno())}")


def _tun(number: int) -> tuple[int, int]:
    """A new namespace with a TUN device in it; this thread stays in it. File descriptors of the namespace and of the device."""
    _checked(_libc.unshare(CLONE_NEWNET), "unshare")
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"link0", IFF_TUN | IFF_NO_PI))
    own, other = ADDRESSES[number], ADDRESSES[1 - number]
    for words in (f"addr add {own} peer {other} dev link0", f"link set link0 mtu {MTU} up", "link set lo up"):
        subprocess.run(["ip", *words.split()], check=True)
    return namespace, device


def rtp_header(packet: bytes) -> tuple[int, int, int] | None:
    """SSRC, sequence number and timestamp of an IPv4 packet that carries RTP; None of any other (RFC 7983 tells them apart)."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != 17:
        return None
    payload = packet[(packet[0] & 0x0F) * 4 + 8 :]
    # 192 to 223 in the second byte is RTCP (RFC 5761).
    if len(payload) < 12 or not 128 <= payload[0] <= 191 or 192 <= payload[1] <= 223:
        return None
    sequence, timestamp, ssrc = struct.unpack("!HII", payload[2:12])
    return ssrc, sequence, timestamp


class Fates:
    """What happens to the packets of one direction. Loss is drawn apart from delay: it hits the same packets however long they take."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._last_due_s = 0.0
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Chance begins anew."""
        self._loss, self._delay = (random.Random(f"{seed} {self._direction} {what}") for what in ("loss", "delay"))
        self._bad = False

    def copies(self, now: Conditions, *, rtp: bool) -> int:
        """How many of this packet arrive: 0, 1 or 2."""
        if now.dead:
            return 0
        if not rtp:
            return 1
        draw, twice = self._loss.random(), self._loss.random()
        if now.burst_packets is None or not 0 < now.loss < 1:
            self._bad = draw < now.loss
        elif self._bad:
            self._bad = draw >= 1 / now.burst_packets
        else:
            self._bad = draw < now.loss / (now.burst_packets * (1 - now.loss))
        return 0 if self._bad else 1 + (twice < now.duplicate)

    def due_s(self, now: Conditions, sent_s: float) -> float:
        """When it arrives."""
        due = sent_s + max(0.0, self._delay.gauss(now.delay_ms, now.jitter_ms)) / 1_000
        if now.ordered:
            due = max(due, self._last_due_s)
        self._last_due_s = max(due, self._last_due_s)
        return due


def _forward(log: TextIO) -> None:
    """Until standard input ends, which it does when the one who started this is gone."""
    (near_namespace, near), (far_namespace, far) = _tun(0), _tun(1)
    print(json.dumps([f"/proc/{os.getpid()}/fd/{fd}" for fd in (near_namespace, far_namespace)]), flush=True)
    now, fates = Conditions(), {near: Fates("down"), far: Fates("up")}
    waiting: list[tuple[float, int, int, bytes]] = []
    numbers = itertools.count()
    with selectors.DefaultSelector() as ready:
        for source in (sys.stdin.fileno(), near, far):
            ready.register(source, selectors.EVENT_READ)
        orders = b""
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for key, _mask in ready.select(timeout):
                if key.fd in fates:
                    for packet in _packets(key.fd):
                        sent_s, header = time.monotonic(), rtp_header(packet)
                        copies = fates[key.fd].copies(now, rtp=header is not None)
                        if header is not None:
                            log.write(json.dumps([sent_s, key.fd == far, *header, copies == 0, copies]) + "\n")
                        for _ in range(copies):
                            due = (fates[key.fd].due_s(now, sent_s), next(numbers), near if key.fd == far else far, packet)
                            heapq.heappush(waiting, due)
                    continue
                told = os.read(key.fd, 65_536)
                if not told:
                    return
                *lines, orders = (orders + told).split(b"\n")
                for line in lines:
                    conditions, seed = json.loads(line)
                    now = Conditions(**conditions)
                    if seed is not None:
                        for direction in fates.values():
                            direction.begin(seed)
                    print("true", flush=True)
            while waiting and waiting[0][0] <= time.monotonic():
                _due, _number, to, packet = heapq.heappop(waiting)
                os.write(to, packet)


def _packets(device: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(device, 65_536)
        except BlockingIOError:
            return


def _enter(namespace: str, parent: int, command: list[str]) -> None:
    """Becomes `command` on one side of the link, to be killed with its parent."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    if os.getppid() != parent:
        sys.exit("the one who started this is gone")
    fd = os.open(namespace, os.O_RDONLY)
    _checked(_libc.setns(fd, CLONE_NEWNET), "setns")
    os.execvp(command[0], command)


def main() -> None:
    match sys.argv[1:]:
        case ["forward", path]:
            # The parent decides when this ends, also when the terminal interrupts both.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # A network does not slow down when the machine is busy.
            os.setpriority(os.PRIO_PROCESS, 0, -10)
            with Path(path).open("w", buffering=1) as log:
                _forward(log)
        case ["enter", namespace, parent, *command] if command:
            _enter(namespace, int(parent), command)
        case _:
            sys.exit(f"usage: {sys.argv[0]} forward LOG | enter NAMESPACE PARENT COMMAND...; see the top of the file")


if __name__ == "__main__":
    main()
