"""The lossy link itself: it does what it is told, writes it down, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.lossy_link import Conditions, Fates, LossyLink, missing, rtp_header

linked = pytest.mark.skipif(missing() is not None, reason=f"no lossy link can be made: {missing()}")

ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("10.77.0.1", 5000))
    print("there", flush=True)
    while True:
        data, who = s.recvfrom(2000)
        s.sendto(data, who)
"""
SEND = """
import socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(3.0)
    for number in range(200):
        s.sendto(struct.pack("!BBHII", 128, 96, number, number * 960, 7) + b"sound", ("10.77.0.1", 5000))
    got = []
    try:
        while True:
            got.append(struct.unpack("!H", s.recv(2000)[2:4])[0])
    except TimeoutError:
        print(*got)
"""


def _packet(payload: bytes, protocol: int = 17) -> bytes:
    return bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol]) + bytes(10) + bytes(8) + payload


def test_an_rtp_packet_is_told_from_everything_else() -> None:
    rtp = bytes([0x80, 111, 0xFF, 0xFE]) + (4_000_000_000).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"x"
    assert rtp_header(_packet(rtp)) == (9, 65_534, 4_000_000_000)
    assert rtp_header(_packet(bytes([0x80, 111 | 0x80]) + rtp[2:])) == (9, 65_534, 4_000_000_000), "with the marker bit"
    for other in (bytes([0x80, 200]) + rtp[2:], bytes([0x00, 1]) + rtp[2:], bytes([22]) + rtp[1:], rtp[:8], b""):
        assert rtp_header(_packet(other)) is None
    assert rtp_header(_packet(rtp, protocol=6)) is None
    assert rtp_header(b"") is None


@pytest.mark.parametrize("burst", [None, 3.0])
def test_loss_has_the_share_and_the_runs_that_were_asked_for(burst: float | None) -> None:
    fates, conditions = Fates("up"), Conditions(loss=0.1, burst_packets=burst)
    lost = [fates.copies(conditions, rtp=True) == 0 for _ in range(40_000)]
    assert sum(lost) / len(lost) == pytest.approx(0.1, abs=0.01)
    runs = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / runs == pytest.approx(burst or 1 / 0.9, rel=0.1)
    assert all(fates.copies(conditions, rtp=False) == 1 for _ in range(1_000)), "only RTP is lost"
    fates.begin(0)
    assert [fates.copies(conditions, rtp=True) == 0 for _ in range(1_000)] == lost[:1_000], "the seed repeats it"


@linked
def test_what_arrives_is_what_the_log_says(tmp_path: Path) -> None:
    conditions = Conditions(delay_ms=5, loss=0.1, duplicate=0.1)
    with (
        LossyLink(log=tmp_path / "packets.jsonl", seed=2, conditions=conditions) as link,
        subprocess.Popen(link.near.command(sys.executable, "-c", ECHO), stdout=subprocess.PIPE) as echo,
    ):
        assert echo.stdout is not None
        echo.stdout.readline()
        got = subprocess.run(link.far.command(sys.executable, "-c", SEND), capture_output=True, text=True, check=True).stdout.split()
        echo.kill()
    packets = link.packets()
    upward = [packet for packet in packets if packet.upward]
    assert [packet.sequence for packet in upward] == list(range(200))
    assert 0 < sum(packet.lost for packet in upward) < 60
    expected = [packet.sequence for packet in packets if not packet.upward for _ in range(packet.copies)]
    assert len([packet for packet in packets if not packet.upward]) == sum(packet.copies for packet in upward)
    assert [int(number) for number in got] == expected


@linked
def test_whoever_is_killed_nothing_is_left(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from benchmarks.lossy_link import LossyLink\n"
        "link = LossyLink(log=Path(sys.argv[1]))\n"
        "child = subprocess.Popen(link.near.command(sys.executable, '-c', 'import time; time.sleep(600)'))\n"
        "print(link._process.pid, child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(tmp_path / "packets.jsonl")]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process of the link outlives the one who started it"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
