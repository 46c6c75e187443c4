"""A client of any PersonaPlex server with nothing around it: what the server itself makes of a handshake and of frames."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES
from workbench.protocol import Audio
from workbench.testing.talks import spoken
from workbench.wire_client import ChatClient, ChatError, chat_url

LAST_REPLY_S = 3.0
"""How long the replies to the last frames are waited for."""

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replies:
    """One talk: for each frame, ms from its last byte sent to the 80 ms of its reply decoded; None where none came."""

    handshake_ms: float
    latencies_ms: list[float | None] = field(default_factory=list)

    @property
    def answered_ms(self) -> list[float]:
        return [ms for ms in self.latencies_ms if ms is not None]


async def handshake_ms(url: str, query: Query, timeout_s: float = 60.0) -> float | None:
    """From connecting to the server's handshake, which comes after its prompt phase; None when none came in time."""
    try:
        client = await ChatClient.connect(chat_url(url, query), timeout_s=timeout_s)
    except ChatError:
        return None
    await client.close()
    return client.handshake_ms


async def talk(url: str, query: Query, seconds: float, *, phase: float = 0.0) -> Replies:
    """A talk of `seconds` in frames of 80 ms at the pace of real time, each sent `phase` (0 to 1) of a frame after the full tick.

    Raises ChatError when the server does not let us in."""
    client = await ChatClient.connect(chat_url(url, query), timeout_s=60.0)
    frame, count = spoken(FRAME_MS / 1_000), round(seconds * 1_000 / FRAME_MS)
    sent_s: list[float] = []
    heard_s: list[float] = []
    reading = asyncio.create_task(_read(client, heard_s, count))
    period_s = FRAME_MS / 1_000
    due_s = (time.perf_counter() // period_s + 1 + phase) * period_s
    try:
        for number in range(count):
            await asyncio.sleep(max(0.0, due_s + number * period_s - time.perf_counter()))
            await client.send_pcm(frame)
            sent_s.append(time.perf_counter())
        await asyncio.wait({reading}, timeout=LAST_REPLY_S)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.close()
    latencies = [(heard_s[number] - sent_s[number]) * 1_000 if number < len(heard_s) else None for number in range(len(sent_s))]
    return Replies(client.handshake_ms or 0.0, latencies)


async def _read(client: ChatClient, heard_s: list[float], count: int) -> None:
    """Notes when each 80 ms of reply was whole, until `count` are."""
    samples = 0
    async for message in client.receive():
        if isinstance(message, Audio):
            samples += client.decode_audio(message).size
            while len(heard_s) < samples // FRAME_SAMPLES:
                heard_s.append(time.perf_counter())
        if len(heard_s) >= count:
            return
