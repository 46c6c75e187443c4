"""Our gateway and NVIDIA's server side by side on the tiny checkpoint, asked by the same bare client in turns."""

from __future__ import annotations

import asyncio
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bare_client import Query, Replies, handshake_ms, talk
from benchmarks.children import ROOT, START_WITHIN_S, free_port
from benchmarks.table import cell, machine, percentile, table
from workbench.audio.frames import FRAME_MS
from workbench.wire_client import ChatClient, ChatError, chat_url

PATIENCE_S = 6.0
"""A second talk that has no handshake after so long, while the first goes on, is not held at once. Ours takes milliseconds."""
BEHIND_MS = 2 * FRAME_MS
"""A tick waits up to 80 ms for the other talks' frames; a reply that comes within 80 ms more leaves no lasting gap."""
HELD_SHARE = 0.99


@dataclass
class Server:
    """One of the two, and what was measured on it."""

    name: str
    url: str
    slots: int
    """Talks at once that it is asked for; NVIDIA's is asked too, and shows that it holds one."""
    known_ms: list[float] = field(default_factory=list)
    unseen_ms: list[float] = field(default_factory=list)
    replies_ms: list[float] = field(default_factory=list)
    unanswered: int = 0
    """Frames without a reply: left out by a server that was late."""


@contextmanager
def reference(checkout: Path, python: str, checkpoint: Path) -> Iterator[str]:
    """NVIDIA's server from its checkout, on a loopback port. Raises SystemExit with its log when it does not come up."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        with tarfile.open(checkpoint / "voices.tgz") as archive:
            archive.extractall(folder, filter="data")
        command = [python, str(ROOT / "benchmarks" / "reference_server.py"), str(checkout.absolute()), str(checkpoint)]
        flags = ["--port", str(port), "--voices", f"{folder}/voices"]
        # Its working folder is not ours: there is a `moshi` of its own to be found, and nothing of the workbench.
        process = subprocess.Popen([*command, *flags], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            url = f"ws://127.0.0.1:{port}"
            deadline = time.monotonic() + START_WITHIN_S
            while not asyncio.run(_listens(port)):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"NVIDIA's server does not run (see --reference-python):\n{log.read()[-2_000:]}")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _listens(port: int) -> bool:
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def prompt(text: str) -> Query:
    return {"voice_prompt": "TINYF0.pt", "text_prompt": text}


KNOWN = prompt("You enjoy a good talk.")


async def compare(servers: Sequence[Server], *, rounds: int, seconds: float, talks: Sequence[int]) -> None:
    """Prints the tables. The last of `servers` is the one that the others are set beside."""
    for server in servers:
        await handshake_ms(server.url, KNOWN)
    for number in range(rounds):
        for server in servers:
            await _add(server.known_ms, server.url, KNOWN)
            await _add(server.unseen_ms, server.url, prompt(f"You are visitor number {number} of this shop."))
            told = await talk(server.url, KNOWN, seconds)
            server.replies_ms += told.answered_ms
            server.unanswered += len(told.latencies_ms) - len(told.answered_ms)
    print(_figures(servers))
    print()
    lines = [(server.name, *await _at_once(server.url, count, seconds)) for count in talks for server in servers if server.slots >= count]
    head = ("server", "talks at once", "let in", "n replies", "reply p50 ms ↓", "p95 ms ↓", f"within {BEHIND_MS} ms, %", "real time")
    print(table(head, lines, 1))
    print(f"\nAt the end: {machine()}.")


async def _add(times: list[float], url: str, query: Query) -> None:
    took_ms = await handshake_ms(url, query)
    if took_ms is not None:
        times.append(took_ms)


def _figures(servers: Sequence[Server]) -> str:
    rows = []
    for what, measured in (
        ("connect to handshake, known persona", [server.known_ms for server in servers]),
        ("connect to handshake, unseen persona", [server.unseen_ms for server in servers]),
        ("reply, 1 talk", [server.replies_ms for server in servers]),
    ):
        beside = percentile(measured[-1], 50)
        for server, values in zip(servers, measured, strict=True):
            p50 = percentile(values, 50)
            ratio = f"{beside / p50:.2f} ×" if beside and p50 else None
            lost = str(server.unanswered) if values is server.replies_ms else None
            rows.append((what, server.name, str(len(values)), cell(p50, 1), cell(percentile(values, 95), 1), ratio, lost))
    return table(("what", "server", "n", "p50 ms ↓", "p95 ms ↓", "times faster, p50 ↑", "unanswered ↓"), rows)


async def _at_once(url: str, count: int, seconds: float) -> tuple[str | float | None, ...]:
    """`count` talks begun together, their frames spread over the tick as those of strangers are."""
    if count > 1 and not await _lets_in(url, count):
        return str(count), "1", None, None, None, None, "no"
    told: list[Replies] = await asyncio.gather(*(talk(url, KNOWN, seconds, phase=number / count) for number in range(count)))
    latencies = [ms for one in told for ms in one.latencies_ms]
    answered = [ms for ms in latencies if ms is not None]
    share = sum(ms <= BEHIND_MS for ms in answered) / len(latencies)
    held = "yes" if share >= HELD_SHARE else "no"
    return str(count), str(count), str(len(answered)), percentile(answered, 50), percentile(answered, 95), 100 * share, held


async def _lets_in(url: str, count: int) -> bool:
    """Whether as many talks get their handshakes while none of them ends."""
    clients: list[ChatClient] = []
    try:
        for _ in range(count):
            clients.append(await ChatClient.connect(chat_url(url, KNOWN), timeout_s=60.0 if not clients else PATIENCE_S))
    except ChatError:
        return False
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return True
