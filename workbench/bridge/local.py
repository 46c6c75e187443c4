"""Tools that are Python functions of this process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.bridge.provider import CallContext, OnProgress, ProviderState
from workbench.bridge.tool import Tool, ToolError, ToolResult

Function = Callable[[Mapping[str, Any]], ToolResult | Awaitable[ToolResult]]
"""Takes the checked arguments. A plain function runs in a thread and must end by itself: a thread cannot be stopped."""

_THREADS = 4


class LocalProvider:
    """Runs coroutine functions on the loop and plain functions in a small pool of threads of its own."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self._functions: dict[str, Function] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"tool-{name}")

    def add(self, tool_name: str, function: Function) -> None:
        """Raises ToolError when the name is taken."""
        if tool_name in self._functions:
            raise ToolError(f"provider {self.name} has a function for {tool_name} already; give the second one another name")
        self._functions[tool_name] = function

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        function = self._functions.get(tool.name)
        if function is None:
            raise ToolError(f"provider {self.name} has no function for {tool.name}; add it with LocalProvider.add")
        if inspect.iscoroutinefunction(function):
            answer: ToolResult = await function(arguments)
            return answer
        running = asyncio.get_running_loop().run_in_executor(self._threads, function, arguments)
        try:
            return _result(tool, await asyncio.shield(running))
        except asyncio.CancelledError:
            if running.done():
                raise
            return _result(tool, await running)

    async def probe(self) -> ProviderState:
        return ProviderState(ready=True, reason=f"{len(self._functions)} functions in this process")

    def close(self) -> None:
        """Takes no more calls; what runs is left to end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(tool: Tool, answer: object) -> ToolResult:
    if not isinstance(answer, ToolResult):
        raise ToolError(f"the function of {tool.name} gave a {type(answer).__name__}; it must give a ToolResult")
    return answer
