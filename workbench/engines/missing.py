"""An engine that is known by name and not there: its reason and repair are told wherever engines are told."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.engines.base import Availability, EngineError, EngineSession, EngineSpec


@dataclass(slots=True)
class MissingEngine:
    """Implements `Engine`. Always unavailable; there is nothing to shake hands with, so there is no handshake time."""

    name: str
    reason: str
    repair: str

    async def probe(self) -> Availability:
        return Availability("unavailable", self.reason, self.repair)

    async def open(self, spec: EngineSpec) -> EngineSession:
        """Raises EngineError."""
        raise EngineError(f"{self.reason} {self.repair}")
