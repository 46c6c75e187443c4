"""Opening a talk for somebody who may leave meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from workbench.conversation.port import Opener, TalkPort, TalkRequest


async def open_while_reading(open_talk: Opener, request: TalkRequest, reading: asyncio.Task[Any]) -> TalkPort | None:
    """The talk, or None when `reading` ended first: the client left. Raises TalkRefused; `reading` goes on then, until it is cancelled."""
    opening = asyncio.ensure_future(open_talk(request))
    await asyncio.wait({reading, opening}, return_when=asyncio.FIRST_COMPLETED)
    if not opening.done():
        opening.cancel()
    try:
        return await opening
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            reading.cancel()
            raise
        return None
