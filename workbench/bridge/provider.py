"""Who carries out tools: Python functions, an orchestrator, a workflow engine, an MCP server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.bridge.tool import Tool, ToolResult

OnProgress = Callable[[float | None, str], None]
"""`(fraction, message)`: fraction from 0 to 1, None when unknown."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The answer of a provider that was asked just now."""

    ready: bool
    reason: str
    repair: str = ""
    latency_ms: float | None = None


class Provider(Protocol):
    """Carries out the tools that are registered with it."""

    name: str

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str, on_progress: OnProgress) -> ToolResult:
        """Does it once; a second call with the same key must not do it again. Raises ToolError when it could not.

        A cancellation is passed on to whoever does the work. Where the work cannot be stopped, the call goes on to its end and
        gives its result late; a second cancellation ends it in any case.
        """
        ...

    async def probe(self) -> ProviderState:
        """Asks the provider, bounded to 3 s. Never raises; what is wrong is in the answer."""
        ...
