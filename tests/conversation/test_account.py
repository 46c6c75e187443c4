"""An engine is told what was said, so that one whose memory ends within a talk can go on."""

from __future__ import annotations

import itertools

import numpy as np

from workbench.audio.frames import SAMPLE_RATE
from workbench.clock import SessionClock
from workbench.conversation.agent_side import ACCOUNT_EVERY_SAMPLES
from workbench.conversation.recap import BEGINNING
from workbench.engines.base import EngineSession, EngineSpec
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine, EchoSession
from workbench.testing.talks import pause, run_talk, spoken


class Forgetful(EchoEngine):
    """Keeps what it is told, with the session time."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    async def open(self, spec: EngineSpec) -> EngineSession:
        return _Session(self.told, spec.clock)


class _Session(EchoSession):
    def __init__(self, told: list[tuple[int, str]], clock: SessionClock) -> None:
        super().__init__()
        self._told = told
        self._clock = clock

    def tell_account(self, text: str) -> None:
        self._told.append((self._clock.now_samples, text))


async def test_it_is_told_every_few_seconds_when_there_is_something_new() -> None:
    engine = Forgetful()
    said = [spoken(1.0), pause(4.0), spoken(1.0), pause(12.0)]
    await run_talk(np.concatenate(said), engines=[engine], asr=ScriptedAsr(["my name is Ann", "I want tea"]), tones=True)
    times, texts = [at for at, _ in engine.told], [text for _, text in engine.told]
    assert texts == [f"{BEGINNING} The user said: my name is Ann", f"{BEGINNING} The user said: my name is Ann I want tea"]
    assert times[0] < 6 * SAMPLE_RATE
    assert all(after - before >= ACCOUNT_EVERY_SAMPLES for before, after in itertools.pairwise(times))
