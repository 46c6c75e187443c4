"""How the agent's sound fares on its way: what the listener's end says of it in its RTCP receiver reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LOOK_EVERY_S = 1.0
"""aiortc reports about once a second, browsers every one to five."""

Tell = Callable[[int, float | None], None]
"""Packets more that are lost, and the round trip in ms where it is known."""


class Downlink:
    """The reports on one call's audio. `tell` is called when losses have grown."""

    def __init__(self, connection: Any, tell: Tell) -> None:
        self._connection = connection
        self._tell = tell
        self._told: dict[int, int] = {}
        """Packets told as lost so far, by stream."""

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Tells what the newest report adds. A count that falls, because what was late has come, takes nothing back."""
        for sender in self._connection.getSenders():
            for report in (await sender.getStats()).values():
                if report.type != "remote-inbound-rtp":
                    continue
                grown = report.packetsLost - self._told.get(report.ssrc, 0)
                if grown > 0:
                    self._told[report.ssrc] = report.packetsLost
                    self._tell(grown, None if report.roundTripTime is None else report.roundTripTime * 1_000)
