"""A scripted talk with tools, through a whole conversation into a real store, and what is left of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_stage import TOOLS

from workbench.bridge.bridge import Bridge
from workbench.bridge.fidelity import Hearer
from workbench.bridge.invocation import Timing
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool
from workbench.clock import FastClock, fixed
from workbench.conversation.conversation import Conversation
from workbench.engines.base import Engine
from workbench.engines.speech.base import Tts
from workbench.events import AgentText, DecisionMade, Event, NoticeDelivered, ResultDelivered, ToolStarted
from workbench.personas import Persona
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder
from workbench.testing.asr import ScriptedAsr
from workbench.testing.talks import CHARGES, TalkResult, run_talk
from workbench.testing.tools import Script, ScriptedProvider
from workbench.testing.user import Cue, ScriptedUser

PERSONA = Persona(
    persona_id="tiny",
    name="Tess",
    voice="TINYW1",
    role="casual",
    prompt="You enjoy having a good conversation.",
    sampling={"text_topk": 0, "audio_topk": 0},
)
LONGEST_S = 60.0
"""Session time in which every talk must have come to its end."""


def result_out(event: Event) -> bool:
    return isinstance(event, ResultDelivered)


def told(purpose: str) -> Cue:
    """Words of this purpose are out."""
    return lambda event: isinstance(event, NoticeDelivered) and event.purpose == purpose


def started(event: Event) -> bool:
    return isinstance(event, ToolStarted)


def decided(act: str) -> Cue:
    """A decision of this kind was made."""
    return lambda event: isinstance(event, DecisionMade) and event.act == act


class After:
    """A cue: `then`, looked at only once `first` has come."""

    def __init__(self, first: Cue, then: Cue) -> None:
        self._first: Cue | None = first
        self._then = then

    def __call__(self, event: Event) -> bool:
        if self._first is None:
            return self._then(event)
        if self._first(event):
            self._first = None
        return False


class Words:
    """A cue: the agent has begun the n-th of the words that it was given, counted from when the cue is first looked at."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self, event: Event) -> bool:
        if isinstance(event, AgentText) and event.forced:
            # A piece that begins or ends with a space is a word, or the first part of one.
            self._left -= " " in event.text
        return self._left <= 0


@dataclass(slots=True)
class Left:
    """What a talk has left behind: its events, and its rows."""

    talk: TalkResult
    session: dict[str, Any]
    provider: ScriptedProvider

    @property
    def tools(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.session["tool_invocations"]
        return rows

    @property
    def decisions(self) -> list[tuple[str, str | None]]:
        """Act and tool of every decision, in order."""
        return [(row["act"], row["tool"]) for row in self.session["decisions"]]

    @property
    def called(self) -> list[str]:
        return [call.tool for call in self.provider.calls]

    @property
    def said(self) -> str:
        """The words that the agent was given, as far as they were heard."""
        return " ".join("".join(piece.text for piece in self.talk.of(AgentText) if piece.forced).split())


async def held(
    folder: Path,
    engines: Sequence[Engine],
    user: ScriptedUser,
    scripts: Mapping[str, Script],
    *,
    tools: Sequence[Tool] = TOOLS,
    timeout_s: float = 5.0,
    hearer: Hearer | None = None,
    host_tts: Tts | None = None,
    on_start: Callable[[Conversation], None] | None = None,
) -> Left:
    """Has the talk with the first of `engines`, on a store in `folder`. A script waits in session time."""
    clock = FastClock(fixed(CHARGES), latency_model="test")
    provider = ScriptedProvider({tool.name: Script() for tool in tools} | dict(scripts), clock=clock)
    registry = Registry()
    registry.add(provider, *(dataclasses.replace(tool, timeout_s=timeout_s) for tool in tools))
    store = DuckDbStore(folder / "talk.duckdb")
    recorder = Recorder(store, folder / "audio", recording=False)

    def begin(talk: Conversation) -> None:
        user.join(talk)
        if on_start is not None:
            on_start(talk)

    try:
        result = await run_talk(
            user,
            engines=engines,
            requested=engines[0].name,
            asr=ScriptedAsr(user.texts),
            persona=PERSONA,
            actor=Bridge(registry, timing=Timing(filler=""), hearer=hearer),
            host_tts=host_tts,
            tones=True,
            max_s=LONGEST_S,
            clock=clock,
            observers=[recorder.observer(), user],
            on_start=begin,
        )
        store.flush()
        session = queries.get_session(store, "test-session")
    finally:
        recorder.close()
        store.close()
    last = [event.kind for event in result.events][-20:]
    assert user.satisfied, f"the talk ended with {result.reason} before the user was satisfied: {last}"
    assert session is not None
    assert session["ended_reason"] == "hung_up"
    return Left(result, session, provider)
