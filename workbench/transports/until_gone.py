"""The middle of every talk over a socket: it goes on until its client or its last word is gone."""

from __future__ import annotations

import asyncio

from workbench.conversation.conversation import CloseReason
from workbench.conversation.port import TalkPort


async def until_gone(port: TalkPort, reading: asyncio.Task[CloseReason], sending: asyncio.Task[None]) -> None:
    """Waits for the end of either task and hangs up: with what `reading` gave, `client_lost` when sending ended first, `server_stopped`
    when cancelled. Both tasks are over afterwards."""
    reason: CloseReason = "failed"
    try:
        await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
        reason = reading.result() if reading.done() else "client_lost"
    except asyncio.CancelledError:
        reason = "server_stopped"
        raise
    finally:
        reading.cancel()
        await port.hang_up(reason)
        # What the end of the talk still has to say goes out, unless the client is gone.
        await asyncio.wait({sending}, timeout=1.0)
        sending.cancel()
        await asyncio.gather(reading, sending, return_exceptions=True)
