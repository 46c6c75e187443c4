"""What a check finds: one line of the doctor's, with the command that mends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from workbench.settings import Settings

INSTALL = "pip install uv && uv sync"
NETWORK_TIMEOUT_S = 3.0
"""Wait for anything on a network, after which it counts as not to be reached."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    name: str
    state: Literal["ok", "warning", "error"]
    """`error`: the workbench cannot run without it. `warning`: it runs, with less."""
    found: str
    repair: str = ""
    """The command that mends it; empty when all is well."""
    ms: float | None = None
    """How long the trial took."""


Findings = Finding | Sequence[Finding]
Check = Callable[[Settings], Awaitable[Findings]]


async def timed(name: str, check: Check, settings: Settings) -> list[Finding]:
    """One check, called `name`, with the time it took. One that fails in a way nobody foresaw is a finding too."""
    began_s = time.perf_counter()
    try:
        found = await check(settings)
    except Exception as error:  # noqa: BLE001 - the other checks must still be made
        found = Finding(name, "error", f"{type(error).__name__}: {error}", f"{INSTALL} --reinstall")
    took_ms = (time.perf_counter() - began_s) * 1_000
    listed = [found] if isinstance(found, Finding) else found
    return [replace(one, ms=took_ms) if one.ms is None else one for one in listed]
