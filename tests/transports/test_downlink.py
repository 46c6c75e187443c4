"""What listeners' ends report of the agent's sound, told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

from workbench.transports.downlink import Downlink


@dataclass
class Sender:
    """An aiortc sender with the newest report it has got."""

    lost: int | None = None
    round_trip_s: float | None = 0.1

    async def getStats(self) -> dict[str, SimpleNamespace]:
        sent = SimpleNamespace(type="outbound-rtp", ssrc=1)
        if self.lost is None:
            return {"sent": sent}
        told = SimpleNamespace(type="remote-inbound-rtp", ssrc=1, packetsLost=self.lost, roundTripTime=self.round_trip_s)
        return {"sent": sent, "told": told}


@dataclass
class Connection:
    sender: Sender = field(default_factory=Sender)

    def getSenders(self) -> list[Sender]:
        return [self.sender]


async def test_only_what_is_new_is_told() -> None:
    connection, told = Connection(), []
    downlink = Downlink(connection, lambda packets, round_trip_ms: told.append((packets, round_trip_ms)))
    for lost in (None, 0, 3, 3, 2, 5):
        connection.sender.lost = lost
        await downlink.look()
    assert told == [(3, 100.0), (2, 100.0)]


async def test_an_unknown_round_trip_stays_unknown() -> None:
    connection, told = Connection(Sender(lost=1, round_trip_s=None)), []
    await Downlink(connection, lambda packets, round_trip_ms: told.append((packets, round_trip_ms))).look()
    assert told == [(1, None)]
