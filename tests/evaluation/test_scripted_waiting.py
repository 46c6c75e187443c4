"""What a scripted user waits for: an agent that has really stopped, and an echo that ends."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from evaluation.scenario import Scenario
from evaluation.scripted_user import ScriptedUser
from workbench.audio.frames import FRAME_SAMPLES, SAMPLES_PER_MS, Pcm
from workbench.events import AgentSpeech

SPOKEN = ((1_000, 2_000), (2_400, 3_000))
"""The agent's speech in ms: one answer with a pause of 400 ms in it."""
LOUD: Pcm = np.full(FRAME_SAMPLES, 0.5, np.float32)
QUIET: Pcm = np.zeros(FRAME_SAMPLES, np.float32)


def user(when: dict[str, Any], **rest: Any) -> ScriptedUser:
    steps = [{"do": "say", "id": "ask", "text": "x", "when": when}]
    content = {"id": "s", "category": "turn-taking", "about": "a", "user": steps, "expect": [{"expect": "no_tool"}], **rest}
    return ScriptedUser(Scenario.model_validate(content), {"ask": LOUD}, seed=0, write=lambda _text: None)


def play(user: ScriptedUser, seconds: float) -> Pcm:
    """The user's sound, while the agent speaks as `SPOKEN` says; each edge is told in its frame."""
    edges: list[tuple[int, Literal["start", "stop"]]] = []
    for start, stop in SPOKEN:
        edges += [(start, "start"), (stop, "stop")]
    sound = []
    for frame in range(round(seconds * 1_000 / 80)):
        begin_ms = frame * 80
        sound.append(user.take(FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES).pcm)
        user.on_frame(frame * FRAME_SAMPLES, sound[-1], LOUD if any(start <= begin_ms < stop for start, stop in SPOKEN) else QUIET)
        for at_ms, edge in edges:
            if begin_ms <= at_ms < begin_ms + 80:
                at = at_ms * SAMPLES_PER_MS
                user.on_event(AgentSpeech(at_samples=at, noticed_samples=at, edge=edge, detector="d"))
    return np.concatenate(sound)


@pytest.mark.parametrize(("silence_ms", "asked_at_ms"), [(300, 2_300), (700, 3_700)])
def test_a_pause_shorter_than_the_offset_is_no_stop(silence_ms: int, asked_at_ms: int) -> None:
    asking = user({"cue": "agent_stops", "offset_ms": silence_ms})
    play(asking, 5)
    assert asking.spans["ask"].start == asked_at_ms * SAMPLES_PER_MS


def test_an_echo_ends_when_the_canceller_has_settled() -> None:
    never = {"at_ms": 60_000}
    whole = play(user(never, echo={"delay_ms": 100, "gain_db": -6}), 4)
    settled = play(user(never, echo={"delay_ms": 100, "gain_db": -6, "to_ms": 1_600}), 4)
    end = 1_700 * SAMPLES_PER_MS
    assert np.array_equal(settled[:end], whole[:end])
    assert whole[end:].any()
    assert not settled[end:].any()
