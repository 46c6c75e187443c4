"""A client of any PersonaPlex server with nothing around it: what the server itself makes of a handshake and of frames."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES
from workbench.protocol import Audio, Metadata
from workbench.testing.talks import spoken
from workbench.wire_client import ChatClient, ChatError, chat_url

LAST_REPLY_S = 3.0
"""How long the replies to the last frames are waited for."""

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replies:
    """One talk: for each frame, ms from handing it over (its encoding and sending are in it, about 1 ms) to the 80 ms of its reply decoded;
    None where none came."""

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
    client = await ChatClient.connect(chat_url(url, {**query, "events": True}), timeout_s=60.0)
    frame, count = spoken(FRAME_MS / 1_000), round(seconds * 1_000 / FRAME_MS)
    replies = Replies(client.handshake_ms or 0.0)
    waiting: deque[float] = deque()
    all_sent = asyncio.Event()
    reading = asyncio.create_task(_read(client, waiting, replies.latencies_ms, all_sent))
    period_s = FRAME_MS / 1_000
    due_s = (time.perf_counter() // period_s + 1 + phase) * period_s
    try:
        for number in range(count):
            await asyncio.sleep(max(0.0, due_s + number * period_s - time.perf_counter()))
            # Noted before it is sent, so that a reply that is there at once finds its frame.
            waiting.append(time.perf_counter())
            await client.send_pcm(frame)
        all_sent.set()
        await asyncio.wait({reading}, timeout=LAST_REPLY_S)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.close()
    replies.latencies_ms.extend([None] * len(waiting))
    return replies


async def _read(client: ChatClient, waiting: deque[float], latencies_ms: list[float | None], all_sent: asyncio.Event) -> None:
    """Takes each 80 ms of reply as that to the oldest frame that waits; frames that our gateway tells it has left out get none."""
    samples = 0
    async for message in client.receive():
        match message:
            case Audio():
                samples += client.decode_audio(message).size
                while samples >= FRAME_SAMPLES and waiting:
                    samples -= FRAME_SAMPLES
                    latencies_ms.append((time.perf_counter() - waiting.popleft()) * 1_000)
            case Metadata("dropped", {"frames": int(left_out)}):
                for _ in range(min(left_out, len(waiting))):
                    waiting.popleft()
                    latencies_ms.append(None)
            case _:
                pass
        if all_sent.is_set() and not waiting:
            return
