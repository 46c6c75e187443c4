"""The engines' states for the page: real handshakes, at most 5 s old."""

from __future__ import annotations

from typing import Any

from workbench.api.probes import Probes
from workbench.engines.base import EngineError
from workbench.engines.roster import AUTO, Roster


async def lights(probes: Probes, roster: Roster) -> dict[str, Any]:
    """One message: every engine's state, reason, repair and handshake, and what `auto` takes just now."""
    shown: dict[str, dict[str, Any]] = {}
    for name, probe in (await probes.all()).items():
        answer = probe.answer
        shown[name] = {
            "state": answer.state,
            "reason": answer.reason,
            "repair": answer.repair,
            "handshake_ms": None if answer.handshake_ms is None else round(answer.handshake_ms, 1),
            "capacity": answer.capacity,
            "in_use": answer.in_use,
            "probed_at": probe.probed_at.isoformat(timespec="seconds"),
        }
    try:
        taken, why, _answer = await roster.choose(AUTO)
        auto: dict[str, str | None] = {"engine": taken, "reason": why}
    except EngineError as error:
        auto = {"engine": None, "reason": str(error)}
    return {"type": "lights", "engines": shown, "auto": auto}
