"""How an MCP server is reached, and what the operator says of its tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from workbench.bridge.tool import ToolError
from workbench.events import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """How to reach an MCP server, and what the operator says of its tools. Raises ToolError when it contradicts itself.

    Tools are named here as the server names them.
    """

    name: str
    """Of the provider; goes before a tool's name where another provider has a tool of that name."""
    command: str = ""
    """The program to start, for stdio; found on PATH."""
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """Names of variables of our own environment that the program gets besides PATH, HOME and the like. Never their values: those are
    secrets, and this is a file."""
    cwd: str | None = None
    url: str = ""
    """The endpoint, for streamable HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header to the name of the environment variable that holds its whole value (`Authorization` to `HOME_MCP_AUTH`, which holds
    `Bearer ...`)."""
    tools: tuple[str, ...] = ()
    """The tools to take; none named = all."""
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """What is read out before the user confirms, in the place of the server's own words."""
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wordings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timeout_s: float = 10.0
    """For a call of one of its tools."""
    prefix: bool = False
    """Every tool is called `<name>_<tool>`, whether another has its name or not."""
    protocol: Literal["auto", "legacy"] = "auto"
    """`legacy`: the initialize handshake at once, for servers that a question about newer versions upsets."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_\-]{0,31}", self.name):
            raise ToolError(f"mcp server name {self.name[:80]!r} must be a letter and up to 31 letters, digits, '_' or '-'")
        if bool(self.command) == bool(self.url):
            raise ToolError(f"mcp server {self.name}: give either a command (stdio) or a url (streamable HTTP)")
        if self.timeout_s <= 0:
            raise ToolError(f"mcp server {self.name}: timeout_s is {self.timeout_s}; give a number of seconds above 0")
        if self.url:
            self._check_url()
        elif self.headers:
            raise ToolError(f"mcp server {self.name}: headers belong to a url; a command gets its secrets by env")

    def _check_url(self) -> None:
        try:
            parts = urlsplit(self.url)
            userinfo, valid = "@" in parts.netloc, parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            userinfo, valid = False, False
        if userinfo:
            raise ToolError(f"mcp server {self.name}: the url holds a user name or password; send it by headers, from the environment")
        if not valid:
            raise ToolError(f"mcp server {self.name}: the url must begin with http:// or https:// and name a host")
        if self.args or self.env or self.cwd:
            raise ToolError(f"mcp server {self.name}: args, env and cwd belong to a command, not to a url")
