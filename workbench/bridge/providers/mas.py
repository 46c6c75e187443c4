"""The MAS orchestrator: one tool that takes any command in the user's own words, and one for every agent of its registry.

Contract: `POST /voice/orchestrator/chat`, `GET /agents/registry/`, `POST /agents/registry/route/voice`, `GET /health`. Versions of it
differ in the names of the fields they answer, so several are understood.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.providers.agents import MESSAGE, Agent, read_agents
from workbench.bridge.providers.answers import error_of, read_data, text_of
from workbench.bridge.providers.http import LATE_S, MAX_BYTES, Answer, HttpClient
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.events import Tier

CATCHING = "ask_orchestrator"
TOKEN_HEADER = "X-MYCA-Service-Token"  # noqa: S105 - the header's name, not a token
TOKEN_VARIABLES = ("MYCA_INTERNAL_SERVICE_TOKEN", "MAS_INTERNAL_SERVICE_TOKEN", "MYCA_MAS_SERVICE_TOKEN")
SETTING = "MAS_ORCHESTRATOR_URL or mas.url"
SOURCE = "personaplex"
_CHAT, _REGISTRY, _ROUTE, _HEALTH = "/voice/orchestrator/chat", "/agents/registry/", "/agents/registry/route/voice", "/health"
_OPEN_S, _ROUTE_S, PROBE_S = 5.0, 3.0, 3.0
LIST_EVERY_S = 60.0
_ID_CHARS = 64


class MasProvider:
    """Implements `workbench.bridge.provider.RemoteProvider`."""

    name = "mas"

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = 20.0,
        tier: Tier = "write",
        catches: bool = True,
        use_agents: bool = True,
        max_bytes: int = MAX_BYTES,
        late_s: float = LATE_S,
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`tier` is that of the catching tool: with `read` the orchestrator is asked without a word of confirmation, and its own
        registry says which requests need one. Raises ToolError for an address or a token that cannot be used."""
        headers = {TOKEN_HEADER: token} if token else {}
        self._http = HttpClient(
            "the orchestrator",
            url,
            setting=SETTING,
            headers=headers,
            max_bytes=max_bytes,
            late_s=late_s,
            ca_file=ca_file,
            transport=transport,
        )
        self._trusted = bool(token)
        self._timeout_s, self._tier, self._catches, self._use_agents = timeout_s, tier, catches, use_agents
        self._agents: dict[str, Agent] = {}
        self._registry = False
        self._note = "not asked for its agents yet"
        self._listed_s = 0.0
        self.on_tools: Callable[[Sequence[Tool]], None] | None = None
        """Called with all tools when agents were activated or deactivated; noticed when it is probed, at most once a minute."""
        self.on_lost: Callable[[str], None] | None = None
        """Never called: there is no connection that could be lost between two requests."""

    async def open(self) -> Sequence[Tool]:
        """Asks for the agents. Without a registry there (404) the catching tool is the only one, and `probe` says so."""
        self._agents, self._registry = {}, False
        answer = await self._http.send("GET", _REGISTRY if self._use_agents else _HEALTH, timeout_s=_OPEN_S)
        if answer.status in (401, 403) or answer.status >= 500:
            raise self._refused(answer)
        if self._use_agents:
            self._read_registry(answer)
        else:
            self._note = "its agents are not asked for (mas.agents is false)"
        return self._tools

    async def close(self) -> None:
        await self._http.close()

    async def probe(self) -> ProviderState:
        began_s = time.perf_counter()
        try:
            answer = await self._http.send("GET", _HEALTH, timeout_s=PROBE_S)
        except ToolError as error:
            return ProviderState(ready=False, reason=str(error), repair=f"Start the orchestrator, or correct {SETTING}.")
        latency_ms = (time.perf_counter() - began_s) * 1_000
        if answer.status != 200:
            reason = f"{self._http.whom} answered {_HEALTH} with HTTP {answer.status}"
            return ProviderState(ready=False, reason=reason, repair=f"See whether {SETTING} is an orchestrator's.", latency_ms=latency_ms)
        await self._look_for_agents(max(0.05, PROBE_S - latency_ms / 1_000))
        return ProviderState(ready=True, reason=f"{self._http.whom} answers; {self._note}", latency_ms=latency_ms)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        """Sends the user's words. The orchestrator cannot be called back: cancelled, the call gives its result late."""
        message = str(arguments.get("message") or context.utterance).strip()
        if not message:
            raise ToolError(f"{tool.name} needs the user's words; give it a message")
        agent = self._agents.get(tool.name)
        if agent is None and tool.name != CATCHING:
            raise ToolError(f"the orchestrator has no agent for {tool.name} any more; it may have been deactivated")
        if not context.confirmed:
            await self._check_unconfirmed(agent, message, context)
        answer = await self._http.ask(
            "POST",
            _CHAT,
            within_s=tool.timeout_s,
            on_progress=on_progress,
            body=self._body(message, agent, context),
            headers={"Idempotency-Key": context.idempotency_key, **self._identity(context)},
        )
        if answer.status != 200:
            raise self._refused(answer)
        return self._read_chat(answer, agent)

    @property
    def _tools(self) -> list[Tool]:
        return [*([self._catching()] if self._catches else []), *(agent.tool for agent in self._agents.values())]

    def _catching(self) -> Tool:
        parameters = {"type": "object", "properties": {"message": MESSAGE}, "required": ["message"]}
        return Tool(
            CATCHING,
            "Ask the orchestrator",
            parameters,
            self._tier,
            self._timeout_s,
            provider=self.name,
            catches=True,
            message_argument="message",
        )

    async def _look_for_agents(self, within_s: float) -> None:
        """Whether the registry has changed. The orchestrator counts requests per hour, so it is not asked at every probe."""
        if not self._use_agents or self.on_tools is None or time.monotonic() - self._listed_s < LIST_EVERY_S:
            return
        before = self._tools
        try:
            answer = await self._http.send("GET", _REGISTRY, timeout_s=within_s)
        except ToolError:
            return  # it was there a moment ago; the next probe will tell
        if answer.status == 200:
            self._read_registry(answer)
            if self._tools != before:
                self.on_tools(self._tools)

    def _read_registry(self, answer: Answer) -> None:
        self._listed_s = time.monotonic()
        if answer.status != 200:
            self._note = f"no agent registry there (HTTP {answer.status}), so only {CATCHING}"
            return
        try:
            agents, faults = read_agents(answer.json(), self.name, self._timeout_s)
        except (ValueError, ToolError) as error:
            self._note = f"its agent registry cannot be read ({error}), so only {CATCHING}"
            return
        self._agents = {agent.tool.name: agent for agent in agents}
        self._registry = True
        self._note = f"{len(agents)} active agents" + (f"; left out: {'; '.join(faults)[:300]}" if faults else "")

    async def _check_unconfirmed(self, agent: Agent | None, message: str, context: CallContext) -> None:
        """What the registry says needs a confirmation is not done without one. Raises ToolError then, and also when a registry that
        was there does not answer: nobody knows then what would be done."""
        if agent is not None:
            asks = agent.requires_confirmation
        elif not self._registry:
            return
        else:
            body = {"transcript": message, "actor": context.user or SOURCE, "session_id": context.session_id[:_ID_CHARS]}
            answer = await self._http.send("POST", _ROUTE, timeout_s=_ROUTE_S, body=body, headers=self._identity(context))
            if answer.status != 200:
                kind = ProviderUnavailable if answer.status >= 500 else ToolError
                raise kind(f"{self._http.whom} does not say whether this needs a confirmation (HTTP {answer.status}); look at its log")
            asks = read_data(answer, self._http.whom).get("requires_confirmation") is not False
        if asks:
            raise ToolError("the orchestrator would give this to an agent that acts only when the user has confirmed; confirm it first")

    def _body(self, message: str, agent: Agent | None, context: CallContext) -> dict[str, Any]:
        body: dict[str, Any] = {
            "message": message,
            "conversation_id": context.conversation_id[:_ID_CHARS] or None,
            "session_id": context.session_id[:_ID_CHARS] or None,
            "want_audio": False,
            "source": SOURCE,
        }
        if context.user:
            body["user_id"] = context.user
        return body if agent is None else {**body, "agent": agent.agent_id}

    def _identity(self, context: CallContext) -> dict[str, str]:
        """Who asks. Only beside a service token: without one nobody would believe it."""
        if not (context.user and self._trusted):
            return {}
        user = quote(context.user, safe="@.+_- ")
        return {"X-MYCA-Verified-User-Id": user, **({"X-MYCA-Verified-User-Email": user} if "@" in user else {})}

    def _read_chat(self, answer: Answer, agent: Agent | None) -> ToolResult:
        data = read_data(answer, self._http.whom)
        if failed := error_of(data):
            raise ToolError(f"the orchestrator could not do it: {failed}")
        text = text_of(data)
        if not text:
            raise ToolError(f"{self._http.whom} answered without a text ({', '.join(sorted(data))[:200] or 'nothing at all'})")
        who = data.get("agent") or data.get("agent_name") or (agent.agent_id if agent else None)
        return ToolResult(text, {**data, "agent": who})

    def _refused(self, answer: Answer) -> ToolError:
        whom, status = self._http.whom, answer.status
        if status in (401, 403):
            return ToolError(f"{whom} refused the service token (HTTP {status}); set {TOKEN_VARIABLES[0]}, or correct mas.token_env")
        if status == 404:
            return ToolError(f"{whom} does not know {_CHAT} (HTTP 404); correct {SETTING}")
        if status == 422:
            return ToolError(f"{whom} does not take the request as it is (HTTP 422: {answer.quoted}); its version may differ")
        if status < 500:
            return ToolError(f"{whom} answered with HTTP {status}; look at its log")
        again = f"come back in {answer.retry_after_s:.0f} s" if answer.retry_after_s is not None else "look at its log"
        return ProviderUnavailable(f"{whom} answered with HTTP {status}; {again}", retry_after_s=answer.retry_after_s)
