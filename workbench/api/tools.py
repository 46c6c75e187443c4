"""The operator's view of the tools: what there is, how its providers are, and one tool tried by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from workbench.api.context import Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.bridge.fleet import ProviderStatus
from workbench.bridge.policy import agrees
from workbench.bridge.tool import Tool, ToolError
from workbench.bridge.trial import NeedsConfirmation, try_tool
from workbench.events import Tier
from workbench.store import queries

log = logging.getLogger(__name__)

router = APIRouter(tags=["tools"])


class CallsState(BaseModel):
    """What the guard before a provider has seen since this server started."""

    breaker: Literal["closed", "open", "half_open"] = Field(description="`open`: it is not asked; `half_open`: one call may try.")
    running: int
    waiting: int = Field(description="Calls that wait for others to end.")
    calls: int
    failures: int = Field(description="Attempts that the provider did not answer.")
    last_latency_ms: float | None = Field(description="Of the last call that was answered, ms; null before the first.")
    last_error: str = Field(description="Of the last call without a result, without secrets; empty before the first.")


class ProviderState(BaseModel):
    """Who carries out tools."""

    name: str
    kind: str = Field(description="`local`, `mas`, `n8n` or `mcp`.")
    ready: bool = Field(description="It answered when it was asked, and its tools are registered.")
    reason: str
    repair: str = Field(description="How to mend it; empty when it is ready.")
    latency_ms: float | None = Field(description="Of that question, ms; null when it was not answered, and for `local`.")
    calls: CallsState | None = Field(description="null for functions of the server itself, before which no guard stands.")
    tools: list[str]
    notices: list[str] = Field(description="Tools that were left out or renamed, and names in the configuration that do not exist.")


class ToolState(BaseModel):
    """One tool."""

    name: str
    description: str
    tier: Tier = Field(description="`read` runs, `write` asks once, `destructive` asks for the irreversible phrase.")
    provider: str
    ready: bool = Field(description="Its provider is.")
    timeout_s: float
    parameters: dict[str, Any] = Field(description="JSON Schema of its arguments.")
    phrases: list[str] = Field(description="Ways to ask for it; empty: its name and its description are.")
    catches: bool = Field(description="It takes commands that fit no other tool.")
    personas: list[str] = Field(description="Ids of the personas that may use it.")


class ToolsAnswer(BaseModel):
    """All tools and providers."""

    providers: list[ProviderState]
    tools: list[ToolState]
    probed_at: datetime = Field(description="When the providers were asked: at most 3 s ago.")


class ToolTurns(BaseModel):
    """How the results of tools reached the users of one engine."""

    n: int = Field(description="Results that were delivered and counted.")
    content_share: float = Field(description="Share before which the agent said content of its own, 0 to 1; lower is better.")
    interrupted_share: float = Field(description="Share that the user broke into, 0 to 1.")
    fidelity_n: int = Field(description="Deliveries whose words were measured.")
    fidelity_p50_wer: float | None = Field(description="Their median word error rate, the recogniser's own errors in it; null without any.")


class TrialRequest(BaseModel):
    """A tool to be called by hand."""

    arguments: dict[str, Any] = Field(default_factory=dict, description="As its `parameters` say.")
    confirm: bool = Field(default=False, description="Needed for a tool that changes something: the operator's own word.")
    phrase: str = Field(default="", max_length=200, description="In the place of `confirm`: the words that a talk would ask the user for.")


class TrialAnswer(BaseModel):
    """What came of it. A tool that failed is an answer too."""

    tool: str
    provider: str
    tier: Tier
    arguments: dict[str, Any]
    status: Literal["success", "error", "timeout"]
    latency_ms: float = Field(description="Measured, ms.")
    spoken: str = Field(description="What would be said, before it is shortened for the ear.")
    result: dict[str, Any] | None = Field(description="The whole result, cut to size; null unless the status is `success`.")
    error: str = Field(description="Without secrets; empty when the status is `success`.")
    progress: list[str] = Field(description="What the tool told on the way.")


@router.get("/api/tools")
async def list_tools(context: Ctx) -> ToolsAnswer:
    """Every tool, and the true state of every provider: each was asked within the last 3 s."""
    states, probed_at = await context.tool_states.get()
    personas = {persona.persona_id: context.workbench.registry.allowed(persona.tools) for persona in context.workbench.personas.list()}
    return ToolsAnswer(
        providers=[ProviderState.model_validate(asdict(state)) for state in states],
        tools=[_tool(tool, states, personas) for tool in context.workbench.registry],
        probed_at=probed_at,
    )


@router.get("/api/tools/turns", responses=errors(503))
async def tool_turns(context: Ctx) -> dict[str, ToolTurns]:
    """Tool turns of all stored talks, by engine; an engine without any is left out."""
    found = await asyncio.to_thread(queries.tool_turns, context.workbench.store)
    return {engine: ToolTurns.model_validate(row) for engine, row in found.items()}


def _tool(tool: Tool, states: Sequence[ProviderStatus], personas: Mapping[str, frozenset[str]]) -> ToolState:
    return ToolState(
        name=tool.name,
        description=tool.description,
        tier=tool.tier,
        provider=tool.provider,
        ready=any(state.name == tool.provider and state.ready for state in states),
        timeout_s=tool.timeout_s,
        parameters=dict(tool.parameters),
        phrases=list(tool.phrases),
        catches=tool.catches,
        personas=[persona for persona, allowed in personas.items() if tool.name in allowed],
    )


@router.post("/api/tools/{name}/call", responses=errors(400, 403, 404, 409), dependencies=[OWN_PAGE])
async def call_tool(context: Ctx, name: str, wanted: TrialRequest) -> TrialAnswer:
    """Calls a tool once, outside of any talk, by the same guard. What changes something needs `confirm`; without it the answer is 409
    and says what would be done."""
    registry = context.workbench.registry
    if all(tool.name != name for tool in registry):
        raise ApiError(404, "unknown_tool", f"There is no tool called {name[:80]!r}. GET /api/tools lists them.")
    try:
        confirmed = wanted.confirm or agrees(wanted.phrase, registry[name].tier)
        trial = await try_tool(registry, name, wanted.arguments, confirmed=confirmed)
    except NeedsConfirmation as error:
        raise ApiError(409, "confirmation_required", f"{error} Send confirm: true to call it.") from error
    except ToolError as error:
        raise ApiError(400, "bad_arguments", str(error)) from error
    log.info("tool %s was called by hand: %s after %.0f ms", trial.tool, trial.status, trial.latency_ms)
    context.tool_states.forget()
    return TrialAnswer.model_validate(asdict(trial))
