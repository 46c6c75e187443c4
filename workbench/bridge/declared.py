"""Tools that somebody wrote down as data: in the configuration file, or in the suite that judges the classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.bridge.tool import Tool, ToolError
from workbench.events import Tier


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    description: str = Field(min_length=1)
    tier: Tier
    timeout_s: float = 10.0
    phrases: list[str] = []
    wordings: list[str] = []
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    catches: bool = False
    message_argument: str | None = None


def declared_tool(table: Mapping[str, Any], provider: str) -> Tool:
    """The tool that a table of the configuration describes. Its tier must be written down: nobody should have to guess whether a
    tool changes anything. Raises ToolError that names the tool, the key and what is wrong with it."""
    try:
        declared = _Declared.model_validate(table)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise ToolError(f"tool {str(table.get('name', '(without a name)'))[:80]}: {key}: {fault['msg']}") from error
    return Tool(
        declared.name,
        declared.description,
        declared.parameters,
        declared.tier,
        declared.timeout_s,
        tuple(declared.phrases),
        tuple(declared.wordings),
        provider=provider,
        catches=declared.catches,
        message_argument=declared.message_argument,
    )
