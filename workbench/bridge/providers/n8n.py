"""n8n: workflows behind webhooks, each declared as a tool by the operator.

Contract: `POST {base}/{path}` with `request_id` (the idempotency key), `actor`, `action`, `params`, `confirm` and `correlation_id`. A
workflow goes on to its end whoever stops waiting for it, so the key is what keeps it from being done twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.providers.answers import error_of, read_data, text_of, told
from workbench.bridge.providers.http import LATE_S, MAX_BYTES, Answer, HttpClient
from workbench.bridge.tool import Tool, ToolError, ToolResult

SETTING = "N8N_WEBHOOK_URL or n8n.url"
DEFAULT_PATH = "myca/command"
DEFAULT_ACTOR = "personaplex"
PROVIDER = "n8n"
_OPEN_S, PROBE_S = 5.0, 3.0
_PATH = re.compile(r"[A-Za-z0-9_\-.~]+(/[A-Za-z0-9_\-.~]+)*")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A tool and the workflow that does it. Raises ToolError for a path that cannot be one."""

    tool: Tool
    path: str = DEFAULT_PATH
    """Below the base address, as the Webhook node has it."""
    action: str = ""
    """The `action` that is sent; empty = the tool's name."""

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or ".." in self.path.split("/"):
            raise ToolError(f"tool {self.tool.name}: path {self.path[:80]!r} must be words joined by '/', as the Webhook node has it")


def default_webhook(timeout_s: float = 20.0) -> Webhook:
    """Where no tool is declared: any workflow by its name, for the one webhook that sorts them out."""
    tool = Tool(
        "run_workflow",
        "Run the workflow",
        {
            "type": "object",
            "properties": {"workflow": {"type": "string", "description": "name of the workflow", "minLength": 1, "maxLength": 80}},
            "required": ["workflow"],
        },
        "write",
        timeout_s,
        wordings=(
            "run the workflow {workflow}",
            "start the workflow {workflow}",
            "run the {workflow} workflow",
            "start the {workflow} workflow",
        ),
        provider=PROVIDER,
    )
    return Webhook(tool)


def webhook_base(url: str) -> str:
    """The address below which the paths hang: n8n's own `/webhook` where only a host is named, and never twice."""
    bare = url.strip().rstrip("/")
    doubled = re.sub(r"(/webhook)+$", "/webhook", bare)
    return doubled if re.search(r"://[^/]+/", doubled) else f"{doubled}/webhook"


class N8nProvider:
    """Implements `workbench.bridge.provider.RemoteProvider`."""

    name = PROVIDER

    def __init__(
        self,
        url: str,
        webhooks: Sequence[Webhook] = (),
        *,
        header: tuple[str, str] | None = None,
        actor: str = DEFAULT_ACTOR,
        max_bytes: int = MAX_BYTES,
        late_s: float = LATE_S,
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`header`: name and secret of the webhooks' header authentication. `actor`: who asks where nobody is logged in. Raises
        ToolError for an address or a secret that cannot be used."""
        headers = dict([header]) if header else {}
        self._http = HttpClient(
            "n8n",
            webhook_base(url),
            setting=SETTING,
            headers=headers,
            max_bytes=max_bytes,
            late_s=late_s,
            ca_file=ca_file,
            transport=transport,
        )
        self._webhooks = {webhook.tool.name: webhook for webhook in webhooks or (default_webhook(),)}
        self._actor = actor

    async def open(self) -> Sequence[Tool]:
        """The declared tools, as soon as n8n answers; a workflow may be activated later."""
        await self._allowed_methods(next(iter(self._webhooks.values())), _OPEN_S)
        return [webhook.tool for webhook in self._webhooks.values()]

    async def close(self) -> None:
        await self._http.close()

    async def probe(self) -> ProviderState:
        """Asks n8n for the methods of every webhook, which runs none of them. It is ready as soon as n8n answers: which workflows are
        inactive is told beside that."""
        began_s = time.perf_counter()
        left_s = PROBE_S
        inactive: dict[str, None] = {}
        paths = {webhook.path: webhook for webhook in self._webhooks.values()}
        for webhook in paths.values():
            try:
                methods = await self._allowed_methods(webhook, left_s)
            except ToolError as error:
                return ProviderState(ready=False, reason=str(error), repair=f"Start n8n, or correct {SETTING}.")
            if methods and "POST" not in methods:
                inactive[webhook.path] = None
            left_s = max(0.05, PROBE_S - (time.perf_counter() - began_s))
        latency_ms = (time.perf_counter() - began_s) * 1_000
        reason = f"{self._http.whom} answers; {len(paths) - len(inactive)} of {len(paths)} workflows active"
        repair = f"Activate the workflow of {', '.join(inactive)} in n8n." if inactive else ""
        return ProviderState(ready=True, reason=reason, repair=repair, latency_ms=latency_ms)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        webhook = self._webhooks.get(tool.name)
        if webhook is None:
            raise ToolError(f"no webhook is declared for {tool.name}; declare it as an [[n8n.tool]]")
        body = {
            "request_id": context.idempotency_key,
            "actor": context.user or self._actor,
            "action": webhook.action or tool.name,
            "params": dict(arguments),
            "confirm": context.confirmed,
            "correlation_id": context.session_id,
        }
        headers = {"Idempotency-Key": context.idempotency_key}
        answer = await self._http.ask(
            "POST", f"/{webhook.path}", within_s=tool.timeout_s, on_progress=on_progress, body=body, headers=headers
        )
        if not 200 <= answer.status < 300:
            raise self._refused(answer, webhook)
        data = read_data(answer, self._http.whom)
        if failed := error_of(data):
            raise ToolError(f"the workflow of {webhook.path} says that it failed: {failed}")
        return ToolResult(text_of(data) or told(data) or "The workflow took it and answered nothing.", data)

    async def _allowed_methods(self, webhook: Webhook, timeout_s: float) -> set[str]:
        """The methods that n8n has a workflow for at this path; empty when it does not say. Raises ToolError when it is not there."""
        origin = f"{self._http.base.scheme}://{self._http.base.netloc.decode('ascii')}"
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await self._http.send("OPTIONS", f"/{webhook.path}", timeout_s=timeout_s, headers=headers)
        # For a path without an active workflow n8n names its methods and then answers with 500 (seen with 1.123).
        if answer.status >= 500 and not answer.methods:
            raise ProviderUnavailable(f"{self._http.whom} answered with HTTP {answer.status}; it may be starting, or look at its log")
        return {method.strip().upper() for method in answer.methods.split(",") if method.strip()}

    def _refused(self, answer: Answer, webhook: Webhook) -> ToolError:
        whom, status = self._http.whom, answer.status
        says = f" (n8n says: {said})" if (said := self._own_words(answer)) else ""
        if status == 404:
            return ToolError(
                f"{whom} has no active workflow for POST {webhook.path}: it is inactive or not registered; activate it, and restart n8n "
                f"if it was activated from the command line{says}"
            )
        if status in (401, 403):
            return ToolError(f"{whom} refused the token of {webhook.path} (HTTP {status}); correct n8n.header and n8n.token_env")
        if status in (400, 422):
            return ToolError(f"{whom} does not take the request for {webhook.path} (HTTP {status}){says}; see what its workflow expects")
        if status in (502, 503, 504):
            return ProviderUnavailable(
                f"{whom} is not there behind its proxy, or is starting (HTTP {status}){says}", retry_after_s=answer.retry_after_s
            )
        if status >= 500:
            return ToolError(f"the workflow of {webhook.path} failed (HTTP {status}){says}; look at its executions in n8n")
        return ToolError(f"{whom} answered {webhook.path} with HTTP {status}{says}")

    def _own_words(self, answer: Answer) -> str:
        try:
            data = read_data(answer, self._http.whom)
        except ToolError:
            return ""
        return (text_of(data) or error_of(data))[:200]
