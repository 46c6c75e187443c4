"""How the tests of the providers call a tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.bridge.provider import CallContext, RemoteProvider
from workbench.bridge.tool import Tool, ToolResult

CONFIRMED = CallContext("key-1", session_id="s1", conversation_id="c1", utterance="check the lab", confirmed=True)


def named(tools: Sequence[Tool], name: str) -> Tool:
    (tool,) = [tool for tool in tools if tool.name == name]
    return tool


class Asking:
    """An opened provider, and the progress it told."""

    def __init__(self, provider: RemoteProvider, tools: Sequence[Tool]) -> None:
        self.provider, self.tools = provider, tools
        self.progress: list[tuple[float | None, str]] = []

    @classmethod
    async def opened(cls, provider: RemoteProvider) -> Asking:
        return cls(provider, await provider.open())

    async def call(self, name: str, context: CallContext = CONFIRMED, **arguments: Any) -> ToolResult:
        def on_progress(fraction: float | None, message: str) -> None:
            self.progress.append((fraction, message))

        return await self.provider.call(named(self.tools, name), arguments, context=context, on_progress=on_progress)
