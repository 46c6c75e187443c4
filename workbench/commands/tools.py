"""`workbench tools`: which tools there are and how their providers are, found out now; and one tool tried by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any

import typer

from workbench.bridge.equipment import Equipment, equip
from workbench.bridge.fleet import ProviderStatus
from workbench.bridge.tool import Tool, ToolError
from workbench.bridge.trial import NeedsConfirmation, Trial, try_tool
from workbench.commands.common import CommandError, Json, ToolsFile, load_settings, load_tools, run, say, show
from workbench.settings import Settings

UNCONFIRMED_CODE = 3
WAIT_S = 30.0
_LOOK_S = 0.05


class Action(Enum):
    """What to do."""

    list = "list"
    call = "call"


def tools(
    action: Annotated[Action, typer.Argument(help="`list`, or `call` with NAME and ARGUMENTS.")],
    name: Annotated[str | None, typer.Argument(help="The tool to call.")] = None,
    arguments: Annotated[str, typer.Argument(help="Its arguments, a JSON object.")] = "{}",
    yes: Annotated[bool, typer.Option("--yes", help="Call it though it changes something; else only what would be done is told.")] = False,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for providers to open.")] = WAIT_S,
    as_json: Json = False,
    tools_file: ToolsFile = None,
) -> None:
    """List tools and the true state of their providers, or try one by hand. Needs no server and no database.

    Exit codes: 0 all is well; 1 a provider is not ready, or the tool failed; 2 it cannot be asked like that; 3 the tool changes something
    and --yes was not given.
    """

    async def work() -> int:
        settings = load_settings(tools_file=tools_file)
        if action is Action.list:
            return await _list(settings, wait, as_json)
        if name is None:
            raise CommandError("Name the tool to call: workbench tools call NAME '{\"argument\": 1}'.")
        return await _call(settings, name, _object(arguments), wait, as_json, confirmed=yes)

    code = run(work)
    if code:
        raise typer.Exit(code)


async def _list(settings: Settings, wait_s: float, as_json: bool) -> int:
    async with _equipped(settings) as equipment:
        await equipment.fleet.settled(wait_s)
        states = await equipment.fleet.states()
        registry = tuple(equipment.registry)
    if as_json:
        show(json.dumps({"providers": [asdict(state) for state in states], "tools": [_row(tool) for tool in registry]}, ensure_ascii=False))
    else:
        for state in states:
            _print(state, [tool for tool in registry if tool.provider == state.name])
    return 0 if all(state.ready for state in states) else 1


async def _call(settings: Settings, name: str, arguments: Mapping[str, Any], wait_s: float, as_json: bool, *, confirmed: bool) -> int:
    async with _equipped(settings) as equipment:
        await _until_there(equipment, name, wait_s)
        try:
            trial = await try_tool(equipment.registry, name, arguments, confirmed=confirmed)
        except NeedsConfirmation as error:
            if as_json:
                show(json.dumps({"status": "unconfirmed", "tool": name, "plan": error.plan}, ensure_ascii=False))
            say(f"workbench: {error} Add --yes to call it.")
            return UNCONFIRMED_CODE
        except ToolError as error:
            raise CommandError(f"{error}.{await _away(equipment, name)}") from error
    if as_json:
        show(json.dumps(asdict(trial), ensure_ascii=False))
    else:
        _print_trial(trial)
    return 0 if trial.status == "success" else 1


@asynccontextmanager
async def _equipped(settings: Settings) -> AsyncIterator[Equipment]:
    equipment = equip(load_tools(settings), stats=_no_store)
    equipment.fleet.start()
    try:
        yield equipment
    finally:
        await equipment.close()


def _no_store() -> Mapping[str, float | int | None]:
    raise ToolError("figures of earlier sessions are kept by the server; ask it: POST /api/tools/session_statistics/call")


async def _until_there(equipment: Equipment, name: str, wait_s: float) -> None:
    """Waits for the one tool, not for providers that have nothing to do with it."""
    settled = asyncio.create_task(equipment.fleet.settled(wait_s))
    while not settled.done() and all(tool.name != name for tool in equipment.registry):
        await asyncio.wait([settled], timeout=_LOOK_S)
    settled.cancel()


async def _away(equipment: Equipment, name: str) -> str:
    """Who might have had a tool that is not there."""
    if any(tool.name == name for tool in equipment.registry):
        return ""
    away = [f"{state.name} ({state.reason})" for state in await equipment.fleet.states() if not state.ready]
    return f" Not ready: {'; '.join(away)}." if away else ""


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandError(f'The arguments are not JSON ({error}); write an object such as \'{{"place": "Rome"}}\'.') from error
    if not isinstance(value, dict):
        raise CommandError(f'The arguments are JSON, but no object: {text[:80]}; write one such as \'{{"place": "Rome"}}\'.')
    return value


def _row(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "tier": tool.tier,
        "provider": tool.provider,
        "timeout_s": tool.timeout_s,
        "parameters": tool.parameters,
        "phrases": tool.phrases,
    }


def _print(state: ProviderStatus, own: Sequence[Tool]) -> None:
    facts = [state.kind]
    if state.latency_ms is not None:
        facts.append(f"{state.latency_ms:.0f} ms")
    if state.calls is not None:
        facts.append(f"breaker {state.calls.breaker.replace('_', ' ')}")
    show(f"{'ready    ' if state.ready else 'NOT READY'} {state.name} ({', '.join(facts)}): {state.reason}")
    if state.repair and not state.ready:
        show(f"          repair: {state.repair}")
    for tool in own:
        show(f"          {tool.tier:<11} {tool.name}: {tool.description}")
    for notice in state.notices:
        show(f"          note: {notice}")


def _print_trial(trial: Trial) -> None:
    for line in trial.progress:
        say(line)
    say(f"{trial.provider} answered {trial.tool} ({trial.tier}) in {trial.latency_ms:.0f} ms: {trial.status}.")
    if trial.status == "success":
        show(trial.spoken)
        show(json.dumps(trial.result, ensure_ascii=False, indent=2))
    else:
        say(f"workbench: {trial.error}")
