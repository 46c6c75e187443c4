"""Servers that cannot be reached, or say what cannot be used: each says what was wrong and how to mend it, and no secret."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from mcp_servers import Linked
from mcp_types import (
    Annotations,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from mcp_types import Tool as Listed
from servers import free_port
from starlette.types import ASGIApp, Receive, Scope, Send
from tools_server import make
from waiting import until

from workbench.bridge.provider import ProviderUnavailable
from workbench.bridge.providers.mcp import McpProvider, McpServer
from workbench.bridge.providers.mcp_result import DONE, ON_SCREEN, read_result
from workbench.bridge.providers.mcp_tools import tier_of, toolbox
from workbench.bridge.redact import Redactor
from workbench.bridge.tool import ToolError

TOKEN = "Bearer the-right-token-of-the-house"


def provider(server: McpServer, **environment: str) -> McpProvider:
    return McpProvider(server, redactor=Redactor(), environment=environment)


async def fault(made: McpProvider) -> str:
    with pytest.raises(ToolError) as raised:
        await made.open()
    assert not (await made.probe()).ready
    await made.close()
    return str(raised.value)


async def test_a_program_that_is_not_there() -> None:
    told = await fault(provider(McpServer(name="box", command="no-such-mcp-server")))
    assert "cannot be started" in told
    assert "check its command" in told


async def test_a_program_that_ends_at_once_is_quoted_without_secrets() -> None:
    script = "import os, sys; sys.exit('ImportError: no module; key was ' + os.environ['BOX_KEY'])"
    made = provider(McpServer(name="box", command=sys.executable, args=("-c", script), env=("BOX_KEY",)), BOX_KEY="geheimnis-17")
    told = await fault(made)
    assert "It wrote: ImportError: no module; key was [hidden]" in told


async def test_a_program_that_speaks_something_else() -> None:
    script = "import sys; print('Welcome!', flush=True); sys.stdin.readline()"
    told = await fault(provider(McpServer(name="box", command=sys.executable, args=("-c", script))))
    assert "ended the connection" in told


async def test_a_variable_that_is_not_set() -> None:
    assert "variable BOX_KEY (env) is not set" in await fault(provider(McpServer(name="box", command="x", env=("BOX_KEY",))))
    url = McpServer(name="box", url="http://127.0.0.1:1/mcp", headers={"Authorization": "BOX_AUTH"})
    assert "variable BOX_AUTH (header Authorization) is not set" in await fault(provider(url))


async def test_nothing_listens() -> None:
    made = provider(McpServer(name="box", url=f"http://127.0.0.1:{free_port()}/mcp"))
    told = await fault(made)
    assert "nothing answers at" in told
    assert isinstance(made, McpProvider)


class Locked:
    """Lets only the token through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != TOKEN.encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})
            return
        await self._app(scope, receive, send)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    config = uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{config.port}/mcp"
    server.should_exit = True
    await running


async def test_credentials_travel_in_headers_and_are_never_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "workbench")
    async with served(Locked(make().streamable_http_app())) as url:
        right = provider(McpServer(name="box", url=url, headers={"Authorization": "BOX_AUTH"}), BOX_AUTH=TOKEN)
        assert len(await right.open()) > 5
        await right.close()
        wrong = provider(McpServer(name="box", url=url, headers={"Authorization": "BOX_AUTH"}), BOX_AUTH="Bearer another-one")
        told = await fault(wrong)
        assert "refused our credentials (HTTP 401)" in told
        assert "another-one" not in told + caplog.text
        elsewhere = provider(
            McpServer(name="box", url=url.replace("/mcp", "/other"), headers={"Authorization": "BOX_AUTH"}), BOX_AUTH=TOKEN
        )
        assert "answered HTTP 404; check its url" in await fault(elsewhere)


async def test_opening_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    """A server that starts and never answers."""
    began, gone = tmp_path / "began", tmp_path / "gone"
    script = f"import sys, pathlib\npathlib.Path({str(began)!r}).touch()\nsys.stdin.read()\npathlib.Path({str(gone)!r}).touch()"
    made = provider(McpServer(name="box", command=sys.executable, args=("-c", script)))
    opening = asyncio.create_task(made.open())
    await until(began.exists)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(gone.exists)
    await made.close()


async def test_open_may_be_called_again_and_close_twice(tmp_path: Path) -> None:
    linked = Linked("in-process", tmp_path / "log")
    for _ in range(2):
        await linked.open()
        assert (await linked.call("keep", text="x")).spoken == "Kept."
    await linked.provider.close()
    await linked.provider.close()
    assert linked.lost == []
    with pytest.raises(ProviderUnavailable, match="not connected: it was closed"):
        await linked.call("keep", text="x")


READ = {"type": "object", "properties": {}}


def listed(name: str, **fields: Any) -> Listed:
    return Listed(name=name, **{"input_schema": READ, **fields})


def test_tools_that_cannot_be_used_are_left_out_with_a_notice() -> None:
    server = McpServer(name="box", command="x", phrases={"tidy": ("tidy up",), "typo": ("x",)}, tiers={"typo": "read"}, timeout_s=3.0)
    box = toolbox(
        server,
        [
            listed("tidy", description="Tidy {up} the <b>room</b>. Then do more."),
            listed("odd", input_schema={"type": "object", "properties": {"x": {"range": 3}}}),
            listed("move to/room", input_schema={"type": "object", "properties": {"x": {"format": "path"}}}),
            listed("move_to_room"),
        ],
    )
    assert {tool.name: tool.description for tool in box.tools} == {"tidy": "Tidy up the b room /b", "move_to_room": "move to room"}
    assert box.tools[0].phrases == ("tidy up",)
    assert box.own_names["move_to_room"] == "move to/room"
    assert [notice.split(":")[0] for notice in box.notices] == ["left out", "move_to_room", "left out", "tiers", "phrases"]


def test_only_the_tools_that_are_wanted_and_with_a_prefix() -> None:
    box = toolbox(McpServer(name="box", command="x", tools=("b",), prefix=True), [listed("a"), listed("b")])
    assert [tool.name for tool in box.tools] == ["box_b"]
    assert box.own_names == {"box_b": "b"}


@pytest.mark.parametrize(
    ("hints", "tier"),
    [
        (None, "destructive"),
        (ToolAnnotations(), "destructive"),
        (ToolAnnotations(read_only_hint=True), "read"),
        (ToolAnnotations(read_only_hint=False), "destructive"),
        (ToolAnnotations(destructive_hint=False), "write"),
        (ToolAnnotations(destructive_hint=True), "destructive"),
        (ToolAnnotations(read_only_hint=True, destructive_hint=True), "read"),
    ],
)
def test_tiers(hints: ToolAnnotations | None, tier: str) -> None:
    plain = McpServer(name="box", command="x")
    assert tier_of(plain, "t", hints) == tier
    assert tier_of(McpServer(name="box", command="x", tiers={"t": "write"}), "t", hints) == "write"


def test_a_server_cannot_make_its_claims_laxer_later_on() -> None:
    server = McpServer(name="box", command="x")
    first = toolbox(server, [listed("wipe"), listed("look", annotations=ToolAnnotations(read_only_hint=True))])
    assert first.tiers == {"wipe": "destructive", "look": "read"}
    later = toolbox(server, [listed("wipe", annotations=ToolAnnotations(read_only_hint=True)), listed("look")], first.tiers)
    assert {tool.name: tool.tier for tool in later.tools} == {"wipe": "destructive", "look": "destructive"}
    assert later.notices == ["wipe: the server calls it read now; it stays destructive until the next start"]


def text(words: str, **fields: Any) -> TextContent:
    return TextContent(type="text", text=words, **fields)


@pytest.mark.parametrize(
    ("result", "spoken"),
    [
        (CallToolResult(content=[]), DONE),
        (CallToolResult(content=[text("Plain words.")]), "Plain words."),
        (CallToolResult(content=[text("[1] is a footnote")]), "[1] is a footnote"),
        (CallToolResult(content=[text('{"celsius": 21, "windSpeed": null, "isRaining": false}')]), "celsius: 21; is raining: no."),
        (CallToolResult(content=[text('{"deep": {"er": 1}}')]), ON_SCREEN),
        (CallToolResult(content=[text("x"), text("only for the model", annotations=Annotations(audience=["assistant"]))]), "x"),
        (CallToolResult(content=[], structured_content={"result": 3}), "3"),
        (CallToolResult(content=[], structured_content={"result": ["a", "b"]}), "a, b."),
        (CallToolResult(content=[], structured_content={f"f{n}": n for n in range(9)}), ON_SCREEN),
        (CallToolResult(content=[ImageContent(type="image", data="AAAA", mime_type="image/png")]), ON_SCREEN),
    ],
)
def test_what_is_said_of_a_result(result: CallToolResult, spoken: str) -> None:
    assert read_result(result).spoken == spoken


def test_resources_are_lines_on_the_card() -> None:
    inner = TextResourceContents(uri="file:///notes.txt", text="abc", mime_type="text/plain")
    link = ResourceLink(type="resource_link", name="plan", uri="https://example.org/plan")
    answer = read_result(CallToolResult(content=[EmbeddedResource(type="resource", resource=inner), link]))
    assert answer.data["attachments"] == ["resource file:///notes.txt (text/plain, 3 bytes)", "link plan: https://example.org/plan"]
    assert answer.spoken == ON_SCREEN


async def test_an_answer_that_does_not_fit_its_own_schema(tmp_path: Path) -> None:
    server = MCPServer("liar")

    @server.tool(structured_output=False)
    def lie() -> str:
        return "x"

    tool = server._tool_manager.get_tool("lie")
    assert tool is not None
    object.__setattr__(tool.fn_metadata, "output_schema", {"type": "object", "required": ["y"]})
    made = McpProvider(McpServer(name="box", url="http://in.process/mcp"), redactor=Redactor(), target=server)
    tools = {tool.name: tool for tool in await made.open()}
    with pytest.raises(ToolError, match="answered lie wrongly"):
        await made.call(tools["lie"], {}, context=type("C", (), {"idempotency_key": "k"})(), on_progress=lambda *_: None)
    await made.close()
