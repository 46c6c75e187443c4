"""A small MCP server for the contract tests: `python tools_server.py` speaks stdio, `... http PORT` streamable HTTP on loopback.

`TOOLS_LOG` names a file to which it writes what happens to its calls; `TOOLS_SECRET` is a secret it was given.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

IDEMPOTENCY_KEY = "personaplex-workbench/idempotency-key"
READ = ToolAnnotations(read_only_hint=True)


class Slots(BaseModel):
    day: str
    free: list[str]


def make(log: Path | None = None, secret: str = "") -> MCPServer:
    server = MCPServer("tools", version="1")

    def note(line: str) -> None:
        if log is not None:
            with log.open("a") as file:
                file.write(f"{line}\n")

    @server.tool(annotations=READ)
    def lookup_slots(day: str, limit: Annotated[int, Field(ge=1, le=3)] = 3, unit: str | None = None) -> Slots:
        """Look up the free slots of a day. More text that nobody reads out."""
        return Slots(day=day, free=["09:00", "10:30", "14:00"][:limit])

    @server.tool(annotations=READ)
    async def slow(seconds: float, ctx: Context) -> str:
        """Wait for some time"""
        note("slow began")
        try:
            steps = max(1, round(seconds * 20))
            for step in range(steps):
                await ctx.report_progress(step, steps, f"step {step}")
                await asyncio.sleep(0.05)
        except BaseException as error:
            note(f"slow saw {type(error).__name__}")
            raise
        return "I waited."

    @server.tool(annotations=ToolAnnotations(destructive_hint=False))
    def keep(text: str, ctx: Context) -> str:
        """Keep a note"""
        meta = ctx.request_context.meta or {}
        note(f"kept {text} under {meta.get(IDEMPOTENCY_KEY)}")
        return "Kept."

    @server.tool()
    def wipe() -> str:
        """Delete all notes"""
        return "All gone."

    @server.tool(annotations=READ)
    def refuse() -> str:
        """Refuse"""
        raise ToolError("there are no notes in drawer seven")

    @server.tool(annotations=READ)
    def leak() -> str:
        """Leak"""
        raise ToolError(f"upstream said 401 for {secret} at http://me:geheim@upstream.example/x, Authorization: Bearer abcdefgh12345678")

    @server.tool(annotations=READ)
    def boom() -> str:
        """Fail"""
        raise RuntimeError("backend down")

    @server.tool(annotations=READ)
    def traced(ctx: Context) -> str:
        """Tell the trace that this call is part of"""
        request = ctx.request_context.request
        named = {"message": (ctx.request_context.meta or {}).get("traceparent", "")}
        return json.dumps(named | ({"header": request.headers.get("traceparent", "")} if request is not None else {}))

    @server.tool(annotations=READ)
    def picture() -> Image:
        """Draw a picture"""
        return Image(data=b"\x89PNG" + bytes(2_000), format="png")

    @server.tool(annotations=READ)
    def much() -> str:
        """Tell very much"""
        return "word " * 100_000

    @server.tool(annotations=READ)
    async def die() -> str:
        """Die in the middle of a call"""
        note("dying")
        sys.stderr.write(f"the last words of the server, with {secret}\n")
        sys.stderr.flush()
        os._exit(3)

    @server.tool(annotations=READ)
    async def grow(ctx: Context) -> str:
        """Get one more tool"""
        server.add_tool(lambda: "new", name="fresh", description="Be fresh", annotations=READ)
        await ctx.notify_tools_changed()
        await ctx.session.send_tool_list_changed()
        return "Grown."

    return server


if __name__ == "__main__":
    named = os.environ.get("TOOLS_LOG")
    tools = make(Path(named) if named else None, os.environ.get("TOOLS_SECRET", ""))
    if sys.argv[1:2] == ["http"]:
        tools.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        tools.run()
