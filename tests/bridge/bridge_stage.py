"""A talk with scripted tools and no engine, for tests of the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.bridge.bridge import Bridge
from workbench.bridge.intent import Intent
from workbench.bridge.invocation import Timing
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool
from workbench.events import DecisionMade, NoticeDelivered, ToolEvent
from workbench.testing.talk import FakeTalk
from workbench.testing.tools import Script, ScriptedProvider

PARAMETERS = {"type": "object", "properties": {"to": {"type": "string", "minLength": 1}}}
WEATHER = Tool("weather", "Tell the weather", phrases=("how is the weather",), timeout_s=5.0, provider="scripted")
MAIL = Tool(
    "send_report", "Send the report", PARAMETERS, tier="write", phrases=("send the report to {to}",), timeout_s=5.0, provider="scripted"
)
BACKUP = Tool("start_backup", "Start the backup workflow", tier="write", timeout_s=5.0, provider="scripted")
WIPE = Tool("delete_data", "Delete all data", tier="destructive", phrases=("delete all data",), timeout_s=5.0, provider="scripted")
TOOLS = (WEATHER, MAIL, BACKUP, WIPE)


class Stage:
    """A talk with scripted tools."""

    def __init__(
        self,
        scripts: Mapping[str, Script] | None = None,
        *,
        tools: Sequence[Tool] = TOOLS,
        timing: Timing | None = None,
        talk: FakeTalk | None = None,
        **options: Any,
    ) -> None:
        self.talk = talk or FakeTalk()
        self.provider = ScriptedProvider({tool.name: Script() for tool in tools} | dict(scripts or {}), clock=self.talk.clock)
        self.registry = Registry()
        self.registry.add(self.provider, *tools)
        ids = iter(range(1, 100))
        self.bridge = Bridge(self.registry, timing=timing, new_id=lambda: f"i{next(ids)}", **options)
        self.bridge.attach(self.talk)

    async def hear(self, text: str, wait_ms: float = 10_000) -> bool:
        taken = await self.talk.hear(self.bridge, text)
        await self.talk.run_ms(wait_ms)
        return taken

    @property
    def called(self) -> list[str]:
        return [call.tool for call in self.provider.calls]

    @property
    def story(self) -> list[str]:
        """The kinds of tool events, in order, without the words about them."""
        return [event.kind for event in self.talk.events if isinstance(event, ToolEvent) and not isinstance(event, NoticeDelivered)]

    @property
    def notices(self) -> list[tuple[str, str, str, int]]:
        """Of the words about actions: invocation, purpose, voice and words heard."""
        return [(told.invocation_id, told.purpose, told.how, told.words_heard) for told in self.talk.of(NoticeDelivered)]

    @property
    def decisions(self) -> list[tuple[str, str | None, str | None, str | None]]:
        """Of the decisions: act, tool, invocation and what waited."""
        return [(made.act, made.tool, made.invocation_id, made.pending_id) for made in self.talk.of(DecisionMade)]


class Liar:
    """A classifier that says whatever it was told to."""

    name = "liar"

    def __init__(self, *answers: Intent) -> None:
        self.answers = list(answers)

    async def classify(self, text: str, pending: str | None) -> Intent:
        return self.answers.pop(0)
