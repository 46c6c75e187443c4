"""One session with an MCP server, held open by one task of its own: the SDK's scopes must be left in the task that entered them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, Self, TextIO

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client._transport import ReadStream, TransportStreams
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.server import MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND, Implementation, ServerNotification, ToolListChangedNotification

from workbench.bridge.provider import WROTE, ProviderUnavailable
from workbench.bridge.providers.mcp_server import McpServer
from workbench.bridge.redact import Redactor
from workbench.bridge.tool import ToolError
from workbench.trace_headers import send_trace

log = logging.getLogger(__name__)

ANSWER_S = 30.0
"""For each question of the handshake and of listing tools: many servers are fetched by their command at the first start. A call of a
tool is bounded by whoever calls it."""
CONNECT_S = 5.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Over HTTP; the SDK breaks off an answer that is larger. What is kept of one is far smaller."""
_LAST_WORDS = 2_000
"""Bytes."""
_LAST_WORDS_S = 0.3
_BARE_STATUS = ("Not Found", "Server returned an error response", "Session terminated")
"""What the SDK says where a server answered with an HTTP error and nothing else."""


class _Session:
    """The end of one session: wished for, or the reason why it came by itself."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.end = asyncio.Event()
        self.closed = False
        self.lost = ""

    def lose(self, reason: str) -> None:
        self.lost = self.lost or reason
        self.end.set()


class Link:
    """`open` connects; `on_changed` is called when the server says that its tools changed, `on_lost` with the reason when the session
    ends without `close`. Neither may raise."""

    def __init__(
        self,
        server: McpServer,
        redactor: Redactor,
        *,
        on_changed: Callable[[], None],
        on_lost: Callable[[str], None],
        target: MCPServer[Any] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.client: Client | None = None
        """While the session is open."""
        self._server, self._redactor, self._target, self._environment = server, redactor, target, environment
        self._on_changed, self._on_lost = on_changed, on_lost
        self._owner: asyncio.Task[None] | None = None
        self._session = _Session()
        self.status = 0
        """The last HTTP status that was an error."""

    async def open(self) -> Client:
        """Raises ToolError or ProviderUnavailable with what was wrong; nothing is left open then."""
        opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._session, self.status = _Session(), 0
        self._owner = asyncio.create_task(self._own(opened, self._session), name=f"mcp {self._server.name}")
        try:
            return await asyncio.shield(opened)
        except BaseException:
            await self.close()
            # Nobody will ask for it any more.
            if opened.done() and not opened.cancelled():
                opened.exception()
            raise

    async def close(self) -> None:
        """Ends the session and, over stdio, the server. Never raises."""
        self._session.closed = True
        self._session.end.set()
        owner = self._owner
        if owner is None:
            return
        if self.client is None:
            # By its scope, not by the task: the SDK shields the end of a server's process only against the former.
            self._session.scope.cancel()
        # Kept until it has ended: whoever closes after a close that was cancelled waits for the same end.
        await asyncio.wait([owner])
        if self._owner is owner:
            self._owner = None

    def lose(self, reason: str) -> None:
        """The session is of no use any more: it is ended, and `on_lost` is told."""
        self._session.lose(reason)

    def explain(self, error: BaseException) -> ToolError:
        """What a failure of the SDK means and how to mend it, without secrets."""
        leaf = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        if isinstance(leaf, ToolError):
            return leaf
        if self.status in (401, 403):
            return ProviderUnavailable(f"{self._where} refused our credentials (HTTP {self.status}); check its headers and their variables")
        if self.status and isinstance(leaf, MCPError) and leaf.message in _BARE_STATUS:
            return ProviderUnavailable(f"{self._where} answered HTTP {self.status}; check its url")
        if isinstance(leaf, FileNotFoundError | PermissionError | NotADirectoryError):
            return ProviderUnavailable(f"{self._where} cannot be started: {leaf.strerror}: {leaf.filename}; check its command and cwd")
        if isinstance(leaf, httpx2.ConnectError | ConnectionError):
            return ProviderUnavailable(f"nothing answers at {self._where}; start the server or correct its url")
        if isinstance(leaf, MCPError) and leaf.code == CONNECTION_CLOSED:
            return ProviderUnavailable(f"{self._where} ended the connection")
        if isinstance(leaf, TimeoutError | httpx2.TimeoutException):
            return ProviderUnavailable(f"{self._where} did not answer in time")
        return ProviderUnavailable(self._redactor.clean(f"{self._where}: {type(leaf).__name__}: {leaf}")[:500])

    @property
    def _where(self) -> str:
        server = self._server
        return f"mcp server {server.name} ({server.command or server.url.partition('?')[0]})"

    async def _own(self, opened: asyncio.Future[Client], session: _Session) -> None:
        told = ""
        try:
            with session.scope:
                async with AsyncExitStack() as stack:
                    told = await self._live(opened, session, stack)
        except Exception as error:  # noqa: BLE001 - whatever ends a session is told to whoever opened it, or to `on_lost`
            fault = self.explain(error)
            if not opened.done():
                opened.set_exception(fault)
            else:
                told = str(fault)
        finally:
            self.client = None
            if not opened.done():
                opened.cancel()
        if told and not session.closed:
            self._on_lost(told)

    async def _live(self, opened: asyncio.Future[Client], session: _Session, stack: AsyncExitStack) -> str:
        """From the handshake to the end. Gives the reason when the session was lost, empty when it was closed."""
        words = await stack.enter_async_context(_last_words(self._redactor))
        try:
            client = await self._connect(stack, session, words.sink)
        except Exception as error:  # noqa: BLE001 - of what kind it was is told by `explain`
            fault = self.explain(error)
            raise type(fault)(" ".join(part for part in (f"{fault}.", await words.spoken()) if part)) from None
        self.client = client
        opened.set_result(client)
        listening = asyncio.create_task(self._listen(client, session), name=f"mcp {self._server.name} changes")
        try:
            await session.end.wait()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return " ".join(part for part in (f"{session.lost}.", await words.spoken()) if part) if session.lost else ""

    async def _connect(self, stack: AsyncExitStack, session: _Session, stderr: TextIO) -> Client:
        server = self._server
        if self._target is not None:
            reach: Any = self._target
        elif server.command:
            given = {name: self._value(name, "env") for name in server.env}
            parameters = StdioServerParameters(command=server.command, args=list(server.args), env=given, cwd=server.cwd)
            reach = _watched(parameters, stderr, lambda: session.lose(f"{self._where} ended"))
        else:
            headers = {header: self._value(name, f"header {header}") for header, name in server.headers.items()}
            # A stream of news may be silent for hours; a call that gets no answer is ended by whoever waits for it.
            http = httpx2.AsyncClient(
                headers=headers,
                timeout=httpx2.Timeout(CONNECT_S, read=None),
                event_hooks={"request": [_name_trace], "response": [self._note_status]},
            )
            http = await stack.enter_async_context(http)
            reach = streamable_http_client(server.url, http_client=http, max_sse_event_size=MAX_ANSWER_BYTES)
        return await stack.enter_async_context(
            Client(
                reach,
                mode=server.protocol,
                read_timeout_seconds=ANSWER_S,
                cache=None,
                message_handler=self._notified,
                client_info=Implementation(name="personaplex-workbench", version=version("personaplex-workbench")),
            )
        )

    def _value(self, variable: str, used_for: str) -> str:
        value = self._environment.get(variable, "")
        if not value:
            raise ToolError(f"mcp server {self._server.name}: the variable {variable} ({used_for}) is not set; set it and start again")
        self._redactor.learn(value)
        return value

    async def _note_status(self, response: httpx2.Response) -> None:
        self.status = response.status_code if response.status_code >= 400 else 0

    async def _notified(self, message: ServerNotification | Exception) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._on_changed()

    async def _listen(self, client: Client, session: _Session) -> None:
        """News of the tools from servers that send them only to those who ask; older ones send them to `_notified`."""
        told = client.server_capabilities.tools
        if told is None or not told.list_changed:
            return
        try:
            async with client.listen(tools_list_changed=True) as news:
                async for _event in news:
                    self._on_changed()
        except ListenNotSupportedError:
            return
        except TimeoutError:
            log.warning("mcp server %s offers news of its tools and does not answer who asks for them", self._server.name)
        except SubscriptionLost:
            session.lose(f"{self._where} ended the connection")
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND:
                return
            session.lose(str(self.explain(error)))


class _LastWords(asyncio.Protocol):
    """The end of what a server wrote to its stderr. It is not let through to our own: nobody knows what is in it."""

    def __init__(self, sink: TextIO, redactor: Redactor) -> None:
        self.sink = sink
        self._redactor = redactor
        self._kept = bytearray()
        self._ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-_LAST_WORDS]

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()

    async def spoken(self) -> str:
        """The last lines, without secrets; empty when it wrote none. For a server that has ended."""
        self.sink.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._ended.wait()
        lines = self._kept.decode(errors="replace").strip().splitlines()[-3:]
        return f"{WROTE} {self._redactor.clean(' / '.join(' '.join(line.split()) for line in lines))[:400]}" if lines else ""


@asynccontextmanager
async def _last_words(redactor: Redactor) -> AsyncIterator[_LastWords]:
    reading, writing = os.pipe()
    sink = os.fdopen(writing, "w")
    transport, words = await asyncio.get_running_loop().connect_read_pipe(lambda: _LastWords(sink, redactor), os.fdopen(reading, "rb"))
    try:
        yield words
    finally:
        sink.close()
        transport.close()


class _Watched:
    """A stream of the SDK that tells when it has ended: a session does not say so until the next call."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], on_end: Callable[[], None]) -> None:
        self._inner, self._on_end = inner, on_end

    async def receive(self) -> SessionMessage | Exception:
        return await self._inner.receive()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await anext(self._inner)
        except (StopAsyncIteration, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._on_end()
            raise

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> bool | None:
        return await self._inner.__aexit__(*raised)


async def _name_trace(request: httpx2.Request) -> None:
    """Over HTTP the call's trace goes into the headers too; the SDK puts it into the message, and sends in the caller's context."""
    send_trace(request.headers)


@asynccontextmanager
async def _watched(parameters: StdioServerParameters, stderr: TextIO, on_end: Callable[[], None]) -> AsyncIterator[TransportStreams]:
    async with stdio_client(parameters, stderr) as (reading, writing):
        yield _Watched(reading, on_end), writing
