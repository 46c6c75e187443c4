"""MCP servers as providers, by the official SDK: over stdio, over streamable HTTP, or in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestParamsMeta
from mcp_types import Tool as Listed
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.providers.mcp_link import MAX_ANSWER_BYTES, Link
from workbench.bridge.providers.mcp_result import error_text, read_result
from workbench.bridge.providers.mcp_server import McpServer
from workbench.bridge.providers.mcp_tools import MAX_TOOLS, Toolbox, toolbox
from workbench.bridge.redact import SECRETS, Redactor
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.events import Tier

__all__ = ["IDEMPOTENCY_KEY", "McpProvider", "McpServer"]

log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "personaplex-workbench/idempotency-key"
"""In `_meta` of every call, for servers that must not do a thing twice."""
PROBE_S = 3.0
_GRACE_S = 5.0
_MAX_PAGES = 20
_MAX_MESSAGE = 200


class McpProvider:
    """Implements `workbench.bridge.provider.RemoteProvider`. One session is open at a time; calls share it.

    A timeout or a change of mind is a cancellation of `call`, and reaches the server as one.
    """

    kind = "mcp"

    def __init__(
        self,
        server: McpServer,
        *,
        redactor: Redactor = SECRETS,
        target: MCPServer[Any] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`target` is a server of this process that is spoken to instead of the command or the URL."""
        self.name = server.name
        self.on_tools: Callable[[Sequence[Tool]], None] | None = None
        """Called with all tools when the server says that they changed."""
        self.on_lost: Callable[[str], None] | None = None
        """Called with the reason when the session ends without `close`; `open` may be called again then."""
        self._server, self._redactor = server, redactor
        self._box = Toolbox()
        self._tiers: dict[str, Tier] = {}
        self._away = "it has not been opened"
        self._tasks: set[asyncio.Task[None]] = set()
        self._link = Link(server, redactor, on_changed=self._changed, on_lost=self._lost, target=target, environment=environment)

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should know of the server's tools."""
        return tuple(self._box.notices)

    async def open(self) -> Sequence[Tool]:
        await self.close()
        try:
            self._box = await self._list(await self._link.open())
        except Exception as error:  # noqa: BLE001 - of what kind it was is told by `explain`
            fault = self._link.explain(error)
            await self._link.close()
            self._away = str(fault).rstrip(".")
            raise fault from None
        return tuple(self._box.tools)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        self._away = "it was closed"
        await self._link.close()

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        client = self._client()
        own = self._box.own_names.get(tool.name)
        if own is None:
            raise ToolError(
                f"mcp server {self.name} has no tool {tool.name} any more; it offers {', '.join(self._box.own_names) or 'none'}"
            )

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            on_progress(min(max(progress / total, 0.0), 1.0) if total else None, self._redactor.clean(message or "")[:_MAX_MESSAGE])

        try:
            answer = await client.call_tool(
                own,
                dict(arguments),
                # Whoever calls gives up at the tool's own limit; this is for one who does not.
                read_timeout_seconds=tool.timeout_s + _GRACE_S,
                progress_callback=progressed,
                meta=cast(RequestParamsMeta, {IDEMPOTENCY_KEY: context.idempotency_key}),
            )
        except MCPError as error:
            raise self._failed(client, tool, error) from None
        except (RuntimeError, ValueError) as error:
            # An answer that does not fit the tool's own output schema, or no answer of the protocol at all.
            raise ToolError(self._redactor.clean(f"mcp server {self.name} answered {own} wrongly: {error}")[:500]) from None
        if answer.is_error:
            raise ToolError(self._redactor.clean(error_text(answer)))
        return read_result(answer)

    async def probe(self) -> ProviderState:
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_S):
                listed = await self._client().list_tools()
        except Exception as error:  # noqa: BLE001 - a probe tells what is wrong, whatever it is
            told = f"no answer within {PROBE_S:g} s" if isinstance(error, TimeoutError) else str(self._link.explain(error))
            return ProviderState(ready=False, reason=told, repair=f"See that the MCP server {self.name} runs; it is tried again by itself.")
        latency_ms = (time.perf_counter() - began_s) * 1_000
        return ProviderState(ready=True, reason=f"listed {len(listed.tools)} tools", latency_ms=latency_ms)

    def _client(self) -> Client:
        client = self._link.client
        if client is None:
            raise ProviderUnavailable(f"mcp server {self.name} is not connected: {self._away}")
        return client

    async def _list(self, client: Client) -> Toolbox:
        listed: list[Listed] = []
        cursor: str | None = None
        for _page in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if cursor is None or len(listed) > MAX_TOOLS:
                break
        box = toolbox(self._server, listed, self._tiers)
        self._tiers |= box.tiers
        return box

    def _failed(self, client: Client, tool: Tool, error: MCPError) -> Exception:
        doubt = "" if tool.tier == "read" else "; it may have been done all the same"
        if error.code == CONNECTION_CLOSED:
            self._spawn(self._verify())
            large = f", or answered with more than {MAX_ANSWER_BYTES >> 20} MB" if self._server.url else ""
            return ProviderUnavailable(f"mcp server {self.name} ended the connection in the middle of the call{large}{doubt}")
        if error.code == REQUEST_TIMEOUT:
            return TimeoutError(f"mcp server {self.name} did not answer in time{doubt}")
        if self._link.status == 404 and client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            # The server was started anew and does not know this session: only a new one is of use.
            self._link.lose(f"mcp server {self.name} has forgotten the session")
            return ProviderUnavailable(f"mcp server {self.name} has forgotten the session{doubt}")
        if self._link.status >= 500 or self._link.status == 429:
            return ProviderUnavailable(f"mcp server {self.name} answered HTTP {self._link.status}{doubt}")
        return ToolError(self._redactor.clean(f"mcp server {self.name}: {error.message}")[:500])

    def _changed(self) -> None:
        self._spawn(self._relist())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"mcp {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _verify(self) -> None:
        """Over HTTP one call can lose its connection while the session goes on, and a session can be dead without anybody noticing."""
        state = await self.probe()
        if not state.ready:
            self._link.lose(state.reason)

    async def _relist(self) -> None:
        client = self._link.client
        if client is None:
            return
        try:
            self._box = await self._list(client)
        except Exception as error:  # noqa: BLE001 - the old tools stay until the next news; a dead session is told by `on_lost`
            log.warning("mcp server %s said that its tools changed and did not list them: %s", self.name, self._link.explain(error))
            return
        if self.on_tools is not None:
            self.on_tools(tuple(self._box.tools))

    def _lost(self, reason: str) -> None:
        self._away = reason.rstrip(".")
        log.info("mcp server %s is lost", self.name)
        if self.on_lost is not None:
            self.on_lost(reason)
