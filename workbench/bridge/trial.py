"""A tool tried by hand: by the same schema, policy and guard as in a talk, with a person's word in the place of the user's."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.bridge.intent import Intent
from workbench.bridge.policy import decide
from workbench.bridge.provider import CallContext
from workbench.bridge.redact import SECRETS, Redactor
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolError
from workbench.events import Tier

MAX_PROGRESS = 100


class NeedsConfirmation(Exception):
    """The tool changes something and nobody confirmed it; nothing was done. The message says what would have been done."""

    def __init__(self, tool: Tool, plan: str) -> None:
        super().__init__(f"{tool.name} is a {tool.tier} tool and was not called. In a talk the agent would say: {plan}")
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    tool: str
    provider: str
    tier: Tier
    arguments: Mapping[str, Any]
    status: Literal["success", "error", "timeout"]
    latency_ms: float
    spoken: str = ""
    """What would be said, before it is shortened for the ear."""
    result: Mapping[str, Any] | None = None
    error: str = ""
    progress: list[str] = field(default_factory=list)


async def try_tool(registry: Registry, name: str, arguments: Mapping[str, Any], *, confirmed: bool, redactor: Redactor = SECRETS) -> Trial:
    """Calls a tool once. Raises ToolError for a tool that does not exist or arguments that do not fit, and NeedsConfirmation; whatever
    happens after that is in the answer."""
    tool = registry[name]
    tool.check(arguments)
    if not confirmed:
        asked = Intent("query" if tool.tier == "read" else "command", tool.name, dict(arguments))
        decision = decide(asked, "", tool, pending=None, running=False, allowed=(tool.name,))
        if decision.act != "run":
            raise NeedsConfirmation(tool, decision.say)
    told: list[str] = []

    def progressed(fraction: float | None, message: str) -> None:
        if len(told) < MAX_PROGRESS:
            told.append(f"{fraction:.0%} {message}".strip() if fraction is not None else message)

    context = CallContext(f"hand-{uuid.uuid4().hex}", confirmed=confirmed)
    began_s = time.perf_counter()

    def ended(status: Literal["success", "error", "timeout"], **fields: Any) -> Trial:
        took_ms = (time.perf_counter() - began_s) * 1_000
        return Trial(tool.name, tool.provider, tool.tier, dict(arguments), status, took_ms, progress=told, **fields)

    try:
        async with asyncio.timeout(tool.timeout_s):
            result = await registry.provider(tool).call(tool, arguments, context=context, on_progress=progressed)
    except TimeoutError:
        return ended("timeout", error=f"no answer within {tool.timeout_s:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is its answer, as in a talk
        message = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
        return ended("error", error=redactor.clean(message))
    return ended("success", spoken=redactor.known(result.spoken), result=dict(result.data))
