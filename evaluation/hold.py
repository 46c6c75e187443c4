"""One scenario held as a talk: the same `Conversation` that serves, with a scripted user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.scenario import Scenario
from evaluation.scripted_user import ScriptedUser
from evaluation.user_sound import render
from workbench.assembly import Workbench
from workbench.audio.frames import Pcm
from workbench.clock import SessionClock
from workbench.conversation.conversation import CloseReason
from workbench.conversation.port import TalkRequest
from workbench.dynamics.segments import Segment
from workbench.events import Event
from workbench.sessions import LiveTalk
from workbench.transports.clip import ClipDriver

TAIL_MS = 30_000.0
"""A talk that has not come to rest by itself so long after the last step is over (`time_limit`): its answer is given by then or never, and
an agent that talks on for ever, or noise that sounds like a user, would fill the run."""


@dataclass(frozen=True, slots=True)
class HeldTalk:
    """A talk that is over."""

    session_id: str
    events: tuple[Event, ...]
    """All of them, as they were published."""
    user: Pcm
    """[n] float32 at 24 kHz: what the microphone gave, from session time 0."""
    agent: Pcm
    """[n] float32 at 24 kHz: what the user heard, from session time 0."""
    spans: Mapping[str, Segment]
    """Where each step of the scenario fell, in samples of session time; a missed one is not in it."""
    missed: tuple[str, ...]
    """Steps whose cue never came."""
    ended_reason: str


class _Tape:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.user: list[Pcm] = []
        self.agent: list[Pcm] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self.user.append(user)
        self.agent.append(agent)


async def hold(
    bench: Workbench, scenario: Scenario, *, persona: str, engine: str, seed: int, clock: SessionClock, recording: bool | None = None
) -> HeldTalk:
    """Holds one talk from its first frame to the end of the last answer. Its rows are recorded as those of any talk; `recording`: its
    sound too (None: as the settings say).

    Being cancelled ends the talk, too. Raises ScenarioError when the scenario cannot be played here, TalkRefused when there is no such
    persona or engine.
    """
    sounds = await render(scenario, bench.tts)
    talks: list[LiveTalk] = []
    early: list[str] = []

    def write(text: str) -> None:
        # A talk may make its first steps before `open` has given it to us.
        if talks:
            talks[0].type(text)
        else:
            early.append(text)

    def hang_up(reason: CloseReason) -> None:
        for talk in talks:
            talk.conversation.hang_up(reason)

    user, tape = ScriptedUser(scenario, sounds, seed=seed, write=write), _Tape()
    driver = ClipDriver(user, hang_up, longest_tail_ms=TAIL_MS)
    request = TalkRequest(persona=persona, engine=engine, transport="scenario", seed=seed, recording=recording)
    live = await bench.sessions.open(request, clip=user, clock=clock, observers=[tape, user, driver])
    talks.append(live)
    for text in early:
        live.type(text)
    try:
        reason = await live.closed()
    except asyncio.CancelledError:
        # Nobody waits for it any more. It ends at its next frame; waiting for that here could hold up whoever gave up on a stuck talk.
        live.conversation.hang_up("hung_up")
        raise
    return HeldTalk(
        session_id=live.session_id,
        events=tuple(tape.events),
        user=_joined(tape.user),
        agent=_joined(tape.agent),
        spans=dict(user.spans),
        missed=tuple(user.missed),
        ended_reason=reason,
    )


def _joined(frames: list[Pcm]) -> Pcm:
    return np.concatenate(frames) if frames else np.zeros(0, np.float32)
