from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp_servers import Linked
from waiting import until

from workbench.bridge.fleet import Fleet, ProviderStatus, Waits
from workbench.bridge.guard import Limits
from workbench.bridge.local import LocalProvider
from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.redact import Redactor
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolError, ToolResult

SECRET = "geheimnis-der-flotte"
QUICK = Waits(open_s=5.0, first_s=0.01, most_s=0.04, check_s=0.05)


class Far:
    """A remote provider that is away or there, as the test says."""

    kind = "far"

    def __init__(self, name: str, *tools: str, there: bool = True, log: list[str] | None = None) -> None:
        self.name = name
        self.tools = tools
        self.there = there
        self.hangs = False
        self.breaks = False
        self.opened = 0
        self.called: list[str] = []
        self.log = log if log is not None else []

    async def open(self) -> Sequence[Tool]:
        self.opened += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.breaks:
            raise RuntimeError(f"a fault of the programmer, with {SECRET}")
        if not self.there:
            raise ProviderUnavailable(f"nobody answers to {SECRET}; start it")
        return [Tool(name, f"Do {name}", provider=self.name) for name in self.tools]

    async def close(self) -> None:
        self.log.append(self.name)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        self.called.append(tool.name)
        return ToolResult(f"{self.name} did {tool.name}.")

    async def probe(self) -> ProviderState:
        return ProviderState(ready=self.there, reason="here" if self.there else "gone", latency_ms=1.0 if self.there else None)


class Stage:
    def __init__(self, *providers: Any, registry: Registry | None = None, limits: Limits | None = None) -> None:
        self.registry = registry or Registry()
        self.told: list[str] = []
        self.fleet = Fleet(self.registry, providers, limits=limits, waits=QUICK, tell=self.told.append, redactor=Redactor([SECRET]))

    async def __aenter__(self) -> Stage:
        self.fleet.start()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.fleet.close()

    @property
    def tools(self) -> list[str]:
        return [tool.name for tool in self.registry]

    async def call(self, name: str) -> str:
        tool = self.registry[name]
        call = self.registry.provider(tool).call
        return (await call(tool, {}, context=CallContext("k"), on_progress=lambda *_: None)).spoken

    async def state(self, name: str) -> ProviderStatus:
        return next(state for state in await self.fleet.states() if state.name == name)


async def test_tools_appear_when_a_provider_answers_and_one_that_is_away_delays_nobody() -> None:
    away, there, slow = Far("away", "a", there=False), Far("there", "b"), Far("slow", "c")
    slow.hangs = True
    async with Stage(away, slow, there) as stage:
        await until(lambda: stage.tools == ["b"])
        state = await stage.state("away")
        assert (state.ready, state.reason, state.kind) == (False, "gone", "far")
        assert (await stage.state("slow")).ready is False
        away.there = True
        await until(lambda: "a" in stage.tools)
        await until(lambda: stage.told[-1] == "Tools of away: a.")
        assert await stage.call("a") == "away did a."
        assert (await stage.state("away")).ready


async def test_what_is_missing_is_told_once_and_without_secrets() -> None:
    away = Far("away", "a", there=False)
    async with Stage(away) as stage:
        await until(lambda: away.opened >= 4)
        assert stage.told == ["Tools of away are missing: nobody answers to [hidden]; start it. It is tried again by itself."]


async def test_a_provider_that_breaks_its_contract_takes_nobody_along(caplog: pytest.LogCaptureFixture) -> None:
    broken, there = Far("broken", "a"), Far("there", "b")
    broken.breaks = True
    async with Stage(broken, there) as stage:
        await until(lambda: stage.tools == ["b"] and broken.opened >= 2)
        assert "RuntimeError: a fault of the programmer, with [hidden]." in stage.told[0]
    assert SECRET not in caplog.text


async def test_opening_has_a_limit() -> None:
    slow = Far("slow", "a")
    slow.hangs = True
    registry = Registry()
    fleet = Fleet(registry, [slow], waits=Waits(open_s=0.02, first_s=0.01, most_s=0.02), tell=lambda _text: None)
    fleet.start()
    await until(lambda: slow.opened >= 2)
    slow.hangs = False
    await until(lambda: [tool.name for tool in registry] == ["a"])
    await fleet.close()


async def test_a_provider_that_is_lost_keeps_its_tools_and_is_reached_again() -> None:
    far = Far("far", "a")
    async with Stage(far) as stage:
        await stage.fleet.settled(5.0)
        far.there = False
        await until(lambda: any(text.startswith("far is lost: gone.") for text in stage.told))
        assert stage.tools == ["a"]
        far.there, far.tools = True, ("a", "b")
        await until(lambda: stage.tools == ["a", "b"])
        assert (await stage.state("far")).ready


async def test_of_two_tools_with_one_name_the_second_gets_the_name_of_its_provider() -> None:
    registry = Registry()
    local = LocalProvider()
    local.add("look", lambda _arguments: ToolResult("Local."))
    registry.add(local, Tool("look", "Look"))
    far = Far("far", "look", "go")
    async with Stage(far, registry=registry) as stage:
        await stage.fleet.settled(5.0)
        assert stage.tools == ["look", "far_look", "go"]
        assert await stage.call("look") == "Local."
        assert await stage.call("far_look") == "far did look."
        assert far.called == ["look"], "the provider is asked by its own name"
        assert (await stage.state("far")).notices == ("look is called far_look here, another provider has a tool of its name",)


async def test_tools_that_cannot_be_registered_are_told() -> None:
    class Catching(Far):
        async def open(self) -> Sequence[Tool]:
            parameters = {"type": "object", "properties": {"m": {"type": "string"}}}
            return [Tool(f"all_{self.name}", "Do all", parameters, provider=self.name, catches=True, message_argument="m")]

    async with Stage(Catching("one"), Catching("two")) as stage:
        await stage.fleet.settled(5.0)
        assert len(stage.tools) == 1
        notices = [notice for state in await stage.fleet.states() for notice in state.notices]
        assert len(notices) == 1
        assert "both want to catch commands" in notices[0]


async def test_states_are_asked_of_local_tools_too_and_carry_the_calls() -> None:
    registry = Registry()
    local = LocalProvider()
    local.add("look", lambda _arguments: ToolResult("Local."))
    registry.add(local, Tool("look", "Look"))
    async with Stage(Far("far", "go"), registry=registry) as stage:
        await stage.fleet.settled(5.0)
        await stage.call("go")
        here, far = await stage.fleet.states()
        assert (here.name, here.kind, here.ready, here.tools, here.calls) == ("local", "local", True, ("look",), None)
        assert (far.latency_ms, far.tools) == (1.0, ("go",))
        assert far.calls is not None
        assert (far.calls.breaker, far.calls.calls, far.calls.running) == ("closed", 1, 0)


async def test_closed_in_the_opposite_order() -> None:
    log: list[str] = []
    async with Stage(Far("one", log=log), Far("two", log=log, there=False), Far("three", log=log)):
        pass
    assert log == ["three", "two", "one"]


def test_names_are_unique() -> None:
    with pytest.raises(ToolError, match="two providers are called 'far'"):
        Fleet(Registry(), [Far("far"), Far("far")])


async def test_an_mcp_server_that_dies_comes_back_by_itself_and_its_news_arrive(tmp_path: Path) -> None:
    linked = Linked("stdio", tmp_path / "tools.log")
    # A read that kills its server is not asked again here, or it would kill the next one too.
    async with Stage(linked.provider, limits=Limits(attempts=1)) as stage:
        await stage.fleet.settled(60.0)
        assert "keep" in stage.tools
        await stage.call("grow")
        await until(lambda: "fresh" in stage.tools)
        with pytest.raises(ProviderUnavailable):
            await stage.call("die")
        await until(lambda: any("box is lost: mcp server box" in text for text in stage.told))
        state = await stage.state("box")
        assert state.kind == "mcp"
        await until(lambda: stage.told[-1].startswith("Tools of box: "), limit_s=60.0)
        assert "fresh" not in stage.tools, "the new process has not grown"
        assert (await stage.state("box")).ready
