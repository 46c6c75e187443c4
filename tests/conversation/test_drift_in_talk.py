"""A client whose clock runs apart, through a whole talk: what it says stays within 20 ms of session time for half an hour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.audio.timeline import TimelineFrame, UserTimeline
from workbench.audio.vad import EnergyDetector
from workbench.clock import FastClock, fixed
from workbench.conversation.agent_side import AgentSide
from workbench.conversation.conversation import Conversation, TalkSpec
from workbench.conversation.ears import Ears
from workbench.conversation.turn_policy import TurnPolicy
from workbench.engines.base import EngineSpec
from workbench.engines.roster import Roster
from workbench.events import ClockCorrected, Event
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine
from workbench.testing.talks import TEST_PERSONA, ToneDetector

MINUTES = 30
PACKET = 480
CLICK_EVERY_S = 10
TRAVEL_S = 0.010


class DriftingClient:
    """A user whose clock is `ppm` fast: packets of 20 ms, a click every 10 s of its own time, silence between."""

    def __init__(self, ppm: float) -> None:
        self.rate = SAMPLE_RATE * (1 + ppm * 1e-6)
        self.timeline = UserTimeline()
        self._sent = 0

    def take(self, samples: int, now_samples: int) -> TimelineFrame:
        """`UserInput`: what has arrived by now is pushed, then the talk's frame is taken."""
        now_s = now_samples / SAMPLE_RATE
        while (arrival_s := (self._sent + PACKET) / self.rate + TRAVEL_S) <= now_s:
            packet = silence(PACKET)
            if self._sent % (CLICK_EVERY_S * SAMPLE_RATE) == 0 and self._sent:
                packet[0] = 0.9
            self.timeline.push(packet, self._sent, arrival_s)
            self._sent += PACKET
        return self.timeline.take(samples, now_samples)

    def clicked_s(self, number: int) -> float:
        """Session time at which the client's microphone heard click `number` (from 1)."""
        return number * CLICK_EVERY_S * SAMPLE_RATE / self.rate


class Clicks:
    """Where on session time the talk heard each click."""

    def __init__(self) -> None:
        self.heard_s: list[float] = []
        self.corrections: list[ClockCorrected] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, ClockCorrected):
            self.corrections.append(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self.heard_s += [(start_samples + int(at)) / SAMPLE_RATE for at in np.flatnonzero(user > 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [200.0, -200.0])
async def test_half_an_hour_of_drift_stays_within_20_ms_through_a_talk(ppm: float) -> None:
    clock = FastClock(fixed({}), latency_model="test")
    client, clicks = DriftingClient(ppm), Clicks()
    asr = await ScriptedAsr().open()
    spec = EngineSpec("drift", TEST_PERSONA, TEST_PERSONA.voice, clock)

    def ears(**wiring: Any) -> Ears:
        return Ears(detector=ToneDetector(), asr=asr, recogniser="scripted", end_of_turn=None, policy=TurnPolicy(), **wiring)

    def agent(publish: Callable[..., Any]) -> AgentSide:
        return AgentSide(Roster([EchoEngine()], automatic=["echo"]), spec, requested="echo", host_voice=None, listening={}, publish=publish)

    conversation = Conversation(
        TalkSpec("drift", "drift", "tester", TEST_PERSONA.content_hash, "NATF2", "test", recording=False, max_s=MINUTES * 60),
        clock=clock,
        user_input=client,
        agent=agent,
        ears=ears,
        agent_detector=EnergyDetector(),
        observers=[clicks],
    )
    assert await conversation.run() == "time_limit"
    assert len(clicks.heard_s) in (MINUTES * 60 // CLICK_EVERY_S - 1, MINUTES * 60 // CLICK_EVERY_S)
    delays_ms = np.array([(heard - client.clicked_s(number + 1)) * 1_000 for number, heard in enumerate(clicks.heard_s)])
    assert np.ptp(delays_ms) <= 20.0, f"{delays_ms.min():.1f} to {delays_ms.max():.1f} ms"
    drifted = ppm * 1e-6 * MINUTES * 60 * SAMPLE_RATE
    assert abs(sum(event.samples for event in clicks.corrections) + drifted) <= 4 * 480, "the drift was followed, and told"
    assert max(abs(event.samples) for event in clicks.corrections) == 480
