"""`workbench intents`: how well utterances are understood, against labelled rows."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from workbench.bridge.config import ToolsConfig
from workbench.bridge.declared import declared_tool
from workbench.bridge.openai_intent import OpenAiClassifier
from workbench.bridge.provider import CallContext, OnProgress, ProviderState
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.suite import Judged, Row, Score, SuiteError, read_rows, score
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.bridge.tools import register_builtin
from workbench.commands.common import CommandError, Json, load_settings, load_tools, run, say, show
from workbench.llm_endpoint import OpenAiEndpoint
from workbench.persona_library import library_of
from workbench.settings import Settings

TOOLS_FILE = "tools.toml"


def intents(
    file: Annotated[Path, typer.Argument(help='Rows {"text", "pending"?, "expect": {"kind", "tool"?, "tier"?}}, one JSON object a line.')],
    as_json: Json = False,
    classifier: Annotated[
        Literal["rules", "llm"] | None,
        typer.Option(help="Rules, or the model of WORKBENCH_LLM_BASE_URL (WORKBENCH_INTENT)."),
    ] = None,
    tools: Annotated[
        Path | None, typer.Option(help=f"Further tools ([[tool]] tables); {TOOLS_FILE} beside FILE is taken by itself.")
    ] = None,
) -> None:
    """Classify labelled utterances; print accuracy, precision and recall per class, and each miss. Nothing is carried out."""

    async def work() -> Score:
        rows = _rows(file)
        settings = load_settings(intent=classifier)
        config = load_tools(settings)
        _tell_of_remote(config)
        registry = suite_registry(tools or _beside(file), [webhook.tool for webhook in config.webhooks])
        names = [persona.name for persona in library_of(settings).list()]
        reader = RulesClassifier(registry, names)
        if settings.intent == "rules":
            return await score(rows, reader, registry, names)
        endpoint = _endpoint(settings)
        try:
            return await score(rows, OpenAiClassifier(endpoint, registry, reader, timeout_s=settings.intent_timeout_s), registry, names)
        finally:
            await endpoint.close()

    found = run(work)
    if as_json:
        show(json.dumps(_report(found), ensure_ascii=False, allow_nan=False))
    else:
        _print(found)


def _rows(file: Path) -> list[Row]:
    try:
        rows, unscored = read_rows(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}.") from error
    except SuiteError as error:
        raise CommandError(f"{file}: {error}.") from error
    if unscored:
        told = ", ".join(f"{key} ({count} rows)" for key, count in sorted(unscored.items()))
        say(f"Not scored, because only kind, tool and tier are: {told}.")
    return rows


def _beside(file: Path) -> Path | None:
    found = file.parent / TOOLS_FILE
    if not found.is_file():
        return None
    say(f"Tools of {found} are added.")
    return found


def _tell_of_remote(config: ToolsConfig) -> None:
    """A suite is judged without connecting to anybody, so what only a connection tells is left out, and that is said."""
    remote = [*(["MAS"] if config.mas else []), *(server.name for server in config.mcp)]
    if remote:
        say(f"Tools that are known only after connecting are left out: those of {', '.join(remote)}.")


class _Nobody:
    """A provider that carries nothing out: the tools of a suite are only understood."""

    name = "suite"

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        raise ToolError(f"{tool.name} belongs to a suite and cannot be carried out")

    async def probe(self) -> ProviderState:
        return ProviderState(ready=False, reason="the tools of a suite are only understood, never carried out")


def suite_registry(file: Path | None, configured: Sequence[Tool] = ()) -> Registry:
    """The built-in tools, the configured ones and those of a file; of two of the same name the last takes the place of the first."""
    built_in = Registry()
    register_builtin(built_in, stats=dict).close()
    in_file = _tools(file) if file is not None else []
    taken = {tool.name for tool in in_file}
    own = [*(replace(tool, provider=_Nobody.name) for tool in configured if tool.name not in taken), *in_file]
    names = {tool.name for tool in own}
    registry = Registry()
    for tool in built_in:
        if tool.name not in names:
            registry.add(built_in.provider(tool), tool)
    registry.add(_Nobody(), *own)
    return registry


def _tools(file: Path) -> list[Tool]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("tool", [])
        return [declared_tool(table, _Nobody.name) for table in tables]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ToolError) as error:
        raise CommandError(f"{file}: {error}. It must hold [[tool]] tables with name, description and tier.") from error


def _endpoint(settings: Settings) -> OpenAiEndpoint:
    if settings.llm_base_url is None:
        raise CommandError("There is no language model to ask; set WORKBENCH_LLM_BASE_URL, or use --classifier rules.")
    key = settings.llm_api_key
    try:
        return OpenAiEndpoint(settings.llm_base_url, settings.llm_model, key.get_secret_value() if key is not None else None)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _report(found: Score) -> dict[str, Any]:
    return {
        "n": found.n,
        "sources": found.sources,
        "accuracy": found.accuracy,
        "per_class": {kind: {"n": rate.n, "precision": rate.precision, "recall": rate.recall} for kind, rate in found.per_class.items()},
        "destructive": {"n": len(found.destructive), "ungated": [_miss(each) for each in found.ungated]},
        "called_on_chitchat": [_miss(each) for each in found.called_on_chitchat],
        "latency_ms": {"n": found.n, "p50": found.latency_ms(0.5), "p95": found.latency_ms(0.95)},
        "processor_ms": {"n": found.n, "p50": found.processor_ms(0.5), "p95": found.processor_ms(0.95)},
        "misses": [_miss(each) for each in found.misses],
    }


def _miss(each: Judged) -> dict[str, Any]:
    row = each.row
    return {
        "line": row.line,
        "text": row.text,
        "pending": row.pending,
        "expect": dict(row.expect),
        "found": dict(each.found),
        "decision": each.decision.act,
    }


def _print(found: Score) -> None:
    show(f"accuracy {found.accuracy:.1%} of {found.n}")
    show(f"{'class':10} {'n':>5} {'precision':>10} {'recall':>8}")
    for kind, rate in found.per_class.items():
        show(f"{kind:10} {rate.n:5} {_share(rate.precision):>10} {_share(rate.recall):>8}")
    show(f"destructive wordings gated: {len(found.destructive) - len(found.ungated)} of {len(found.destructive)}")
    show(f"tool calls on chitchat: {len(found.called_on_chitchat)}")
    show(f"per utterance: p50 {found.latency_ms(0.5):.2f} ms, p95 {found.latency_ms(0.95):.2f} ms, n {found.n}")
    show(f"of the processor's time: p50 {found.processor_ms(0.5):.2f} ms, p95 {found.processor_ms(0.95):.2f} ms")
    for source, count in found.sources.items():
        show(f"read by {source}: {count}")
    _list("miss", found.misses)
    _list("not gated", found.ungated)
    _list("called", found.called_on_chitchat)


def _list(what: str, judged: Sequence[Judged]) -> None:
    for each in judged:
        pending = f" [{each.row.pending} waits]" if each.row.pending else ""
        show(f"{what}: line {each.row.line}: {each.row.text!r}{pending}: expected {_told(each.row.expect)}, found {_told(each.found)}")


def _told(label: Mapping[str, str | None]) -> str:
    return " ".join(value or "-" for value in label.values())


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
