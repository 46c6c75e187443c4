"""Scripted tools: instant, slow, failing, hanging, and one whose answer cannot be called back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.bridge.provider import CallContext, OnProgress, ProviderState
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.clock import SessionClock


@dataclass(frozen=True, slots=True)
class Script:
    """How a scripted tool behaves."""

    spoken: str = "Done."
    data: Mapping[str, Any] = field(default_factory=dict)
    slow_ms: float = 0.0
    """Session time until it answers; needs a clock."""
    error: str = ""
    """Raised as ToolError instead of an answer."""
    hangs: bool = False
    """Never answers; give its Tool a short timeout_s."""
    unstoppable: bool = False
    """Goes on when it is cancelled, and answers late."""
    progress: tuple[tuple[float | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a scripted provider got."""

    tool: str
    arguments: Mapping[str, Any]
    context: CallContext


class ScriptedProvider:
    """Implements `workbench.bridge.provider.Provider` from scripts by tool name, and remembers every call."""

    def __init__(self, scripts: Mapping[str, Script], *, clock: SessionClock | None = None, name: str = "scripted") -> None:
        self.name = name
        self.calls: list[Call] = []
        self.cancelled: list[str] = []
        """Names of the tools whose call was asked to stop."""
        self._scripts = dict(scripts)
        self._clock = clock

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        script = self._scripts[tool.name]
        self.calls.append(Call(tool.name, dict(arguments), context))
        for fraction, message in script.progress:
            on_progress(fraction, message)
        try:
            await self._work(script)
        except asyncio.CancelledError:
            self.cancelled.append(tool.name)
            if not script.unstoppable:
                raise
            await self._work(script)
        if script.error:
            raise ToolError(script.error)
        return ToolResult(script.spoken, script.data)

    async def probe(self) -> ProviderState:
        return ProviderState(ready=True, reason=f"{len(self._scripts)} scripted tools")

    async def _work(self, script: Script) -> None:
        if script.hangs:
            await asyncio.Event().wait()
        if script.slow_ms:
            if self._clock is None:
                raise ToolError("a slow script needs a clock; give ScriptedProvider(clock=talk.clock)")
            await self._clock.sleep_ms(script.slow_ms)
