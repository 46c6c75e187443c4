"""Who carries out tools: Python functions, an orchestrator, a workflow engine, an MCP server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.bridge.tool import Tool, ToolError, ToolResult

OnProgress = Callable[[float | None, str], None]
"""`(fraction, message)`: fraction from 0 to 1, None when unknown."""


WROTE = "It wrote:"
"""In the reason for which a provider is lost, before the last lines that it wrote on stderr."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """For whom a tool is called, and in which talk. Providers send on what their contract has a field for."""

    idempotency_key: str
    """The invocation's id: a second call with the same key must not do the work again."""
    session_id: str = ""
    conversation_id: str = ""
    user: str = ""
    """Who talks, as the transport knows them; empty when nobody logged in."""
    utterance: str = ""
    """The user's own words."""
    confirmed: bool = False
    """The user said the word that the policy asked for."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The answer of a provider that was asked just now."""

    ready: bool
    reason: str
    repair: str = ""
    latency_ms: float | None = None


class ProviderUnavailable(ToolError):
    """The provider did not answer, or answered that it cannot just now: asking again can help. A plain ToolError is its last word.

    Reads are asked again (see `guard`), and so many in a row open the provider's circuit breaker.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the provider itself asked to wait, as in Retry-After."""


class Provider(Protocol):
    """Carries out the tools that are registered with it."""

    name: str

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        """Does it once; a second call with the same key must not do it again. Raises ToolError when it could not.

        A cancellation is passed on to whoever does the work. Where the work cannot be stopped, the call goes on to its end and
        gives its result late; a second cancellation ends it in any case. Raises ProviderUnavailable where asking again can help.
        """
        ...

    async def probe(self) -> ProviderState:
        """Asks the provider, bounded to 3 s. Never raises; what is wrong is in the answer."""
        ...


class RemoteProvider(Provider, Protocol):
    """A provider that lives elsewhere: it is connected to, tells which tools it has, and can be away."""

    async def open(self) -> Sequence[Tool]:
        """Connects and gives the tools. Raises ToolError with the repair; may be called again after that, and after `close`."""
        ...

    async def close(self) -> None:
        """Gives the connection back. Never raises."""
        ...
