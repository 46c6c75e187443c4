"""The tools of an MCP server as tools of the bridge."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mcp_types import Tool as Listed
from mcp_types import ToolAnnotations

from workbench.bridge.named import by_danger
from workbench.bridge.providers.mcp_server import McpServer
from workbench.bridge.tool import Tool, ToolError
from workbench.events import Tier

MAX_TOOLS = 200
_MAX_DESCRIPTION = 160
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9_.\-]+")
_MARKS = re.compile(r"[{}<>\[\]*_`#|\x00-\x1f\x7f]+")


@dataclass(slots=True)
class Toolbox:
    """What a server offers, as far as it can be used."""

    tools: list[Tool] = field(default_factory=list)
    own_names: dict[str, str] = field(default_factory=dict)
    """The tool's name here to its name at the server."""
    tiers: dict[str, Tier] = field(default_factory=dict)
    """By the tool's name at the server."""
    notices: list[str] = field(default_factory=list)
    """What the operator should know: tools left out and why, names in the configuration that the server does not have."""


def toolbox(server: McpServer, listed: Sequence[Listed], before: Mapping[str, Tier] | None = None) -> Toolbox:
    """A tool that cannot be used is left out with a notice; the others stay. `before`: the tiers that the server's tools had at earlier
    listings of this process, by their own names. A server can make its claims stricter later on, never laxer."""
    box = Toolbox()
    floor = before or {}
    for offered in listed[:MAX_TOOLS]:
        if server.tools and offered.name not in server.tools:
            continue
        try:
            tier = tier_of(server, offered.name, offered.annotations)
            if by_danger(tier) < by_danger(floor.get(offered.name, "read")):
                box.notices.append(f"{offered.name}: the server calls it {tier} now; it stays {floor[offered.name]} until the next start")
                tier = floor[offered.name]
            tool = _tool(server, offered, tier)
            if tool.name in box.own_names:
                raise ToolError(f"tool {tool.name}: the server has two tools that would have this name here")
        except ToolError as error:
            box.notices.append(f"left out: {error}")
            continue
        box.tools.append(tool)
        box.own_names[tool.name] = offered.name
        box.tiers[offered.name] = tool.tier
        if tool.unchecked_formats:
            box.notices.append(f"{tool.name}: only the server can check the format {', '.join(tool.unchecked_formats)}")
    if len(listed) > MAX_TOOLS:
        box.notices.append(f"the server has {len(listed)} tools; only the first {MAX_TOOLS} are taken")
    known = {offered.name for offered in listed}
    for key in ("tools", "tiers", "descriptions", "phrases", "wordings"):
        missing = sorted(set(getattr(server, key)) - known)
        if missing:
            box.notices.append(f"{key}: the server has no tool called {', '.join(missing)}")
    return box


def tier_of(server: McpServer, name: str, hints: ToolAnnotations | None) -> Tier:
    """The operator's word first. Hints are claims of the server about itself, and nobody checks them: what is not claimed is taken
    for the worst, as the protocol's own defaults do (not read-only, destructive), because a wrong "write" deletes something and a
    wrong "destructive" only asks once more."""
    configured = server.tiers.get(name)
    if configured is not None:
        return configured
    if hints is None:
        return "destructive"
    if hints.read_only_hint:
        return "read"
    return "write" if hints.destructive_hint is False else "destructive"


def _tool(server: McpServer, offered: Listed, tier: Tier) -> Tool:
    own = offered.name
    name = _UNSPEAKABLE.sub("_", own)
    return Tool(
        f"{server.name}_{name}" if server.prefix else name,
        server.descriptions.get(own) or _sentence(offered.description) or _sentence(offered.title) or name.replace("_", " "),
        offered.input_schema,
        tier,
        server.timeout_s,
        tuple(server.phrases.get(own, ())),
        tuple(server.wordings.get(own, ())),
        provider=server.name,
    )


def _sentence(text: str | None) -> str:
    """The first sentence of a server's words, fit to be read out: no markup, and no braces, which would be slots of a phrase."""
    plain = " ".join(_MARKS.sub(" ", text or "").split()).replace(" .", ".")
    return plain.split(". ")[0].rstrip(". ")[:_MAX_DESCRIPTION]
