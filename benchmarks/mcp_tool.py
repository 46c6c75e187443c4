"""An MCP server with one tool, over stdio, for `benchmarks.bridge_calls`: `python -m benchmarks.mcp_tool`."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp_types import ToolAnnotations


def make() -> MCPServer:
    """The server. Its tool answers at once, so that all that is measured is the way there and back."""
    server = MCPServer("benchmark", version="1")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def greenhouse() -> str:
        """Tell how warm the greenhouse is."""
        return "The greenhouse is at 21 degrees."

    return server


if __name__ == "__main__":
    make().run("stdio")
