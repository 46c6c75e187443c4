"""The labelled utterances and the tools they are about, for the tests of the rules and for measuring them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.bridge.intent import Intent
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.tool import Tool
from workbench.bridge.tools import register_builtin
from workbench.testing.tools import Script, ScriptedProvider

UTTERANCES = Path(__file__).parents[1] / "data" / "bridge" / "utterances.jsonl"


def _tool(name: str, description: str, tier: Any, phrases: tuple[str, ...] = (), **arguments: Any) -> Tool:
    parameters = {"type": "object", "properties": arguments}
    return Tool(name, description, parameters, tier, phrases=phrases, provider="scripted")


TOOLS = (
    _tool("send_report", "Send the report", "write", ("send the report to {to}",), to={"type": "string"}),
    _tool("start_backup", "Start the backup workflow", "write"),
    _tool("stop_backup", "Stop the backup workflow", "write"),
    _tool("lights_off", "Turn the lights off", "write", ("turn the lights off", "turn off the lights")),
    _tool(
        "delete_data",
        "Delete data",
        "destructive",
        (
            "delete all data",
            *(f"{verb} the {{what}}" for verb in ("delete", "remove", "erase", "wipe", "purge", "drop", "destroy")),
        ),
        what={"type": "string"},
    ),
    _tool(
        "shut_down", "Shut down a machine", "destructive", ("shut down the {what}", "shut the {what} down", "power off {what}"),
        what={"type": "string"},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    text: str
    pending: str | None
    expect: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.text[:40]} [{self.pending or ''}]"


def registry() -> Registry:
    made = Registry()
    register_builtin(made, stats=dict)
    made.add(ScriptedProvider({tool.name: Script() for tool in TOOLS}), *TOOLS)
    return made


def rows() -> list[Row]:
    lines = UTTERANCES.read_text(encoding="utf-8").splitlines()
    return [Row(row["text"], row.get("pending"), row["expect"]) for row in map(json.loads, lines)]


def label(tools: Registry, intent: Intent) -> dict[str, str]:
    """An intent in the words of the suite."""
    found: dict[str, str] = {"kind": intent.kind}
    if intent.tool is not None:
        found |= {"tool": intent.tool, "tier": tools[intent.tool].tier}
    return found


def classify(classifier: RulesClassifier, row: Row) -> Intent:
    return asyncio.run(classifier.classify(row.text, row.pending))
