from __future__ import annotations

from typing import Any

import pytest

from workbench.bridge.declared import declared_tool
from workbench.bridge.tool import ToolError

LIGHTS: dict[str, Any] = {
    "name": "lights",
    "description": "Turn the lights on or off",
    "tier": "write",
    "phrases": ["turn {state} the lights"],
    "parameters": {"type": "object", "properties": {"state": {"type": "string", "enum": ["on", "off"]}}, "required": ["state"]},
}


def test_a_table_becomes_a_tool_of_its_provider() -> None:
    tool = declared_tool(LIGHTS, "n8n")
    assert (tool.name, tool.tier, tool.provider, tool.required) == ("lights", "write", "n8n", ("state",))
    assert tool.templates == ("turn {state} the lights",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tier": "harmless"}, "tool lights: tier"),
        ({"tires": 4}, "tool lights: tires"),
        ({"timeout_s": "soon"}, "tool lights: timeout_s"),
        ({"timeout_s": -1.0}, "timeout_s is -1"),
        ({"phrases": ["turn {colour} the lights"]}, "'colour'"),
        ({"message_argument": "words"}, "'words' is not in its parameters"),
        ({"catches": True}, "needs a message_argument"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ToolError, match=told):
        declared_tool(LIGHTS | change, "n8n")


def test_a_tier_must_be_written_down() -> None:
    with pytest.raises(ToolError, match="tier: Field required"):
        declared_tool({key: value for key, value in LIGHTS.items() if key != "tier"}, "n8n")
