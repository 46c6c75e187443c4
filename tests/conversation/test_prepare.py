"""What is told to the actor before the user's turn is over."""

from __future__ import annotations

import numpy as np
from taker import Taker

from workbench.conversation.turn_policy import TurnPolicy
from workbench.events import UserText
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import pause, run_talk, spoken


async def test_a_probable_end_is_told_to_the_actor_before_the_utterance_is_offered() -> None:
    taker = Taker()
    clip = np.concatenate([pause(0.5), spoken(1.0), pause(0.4), spoken(1.0), pause(0.5)])
    policy = TurnPolicy(fixed_hold_ms=600.0)
    result = await run_talk(
        clip, engines=[ScriptedEngine()], asr=ScriptedAsr(["delete all", "data no wait"]), actor=taker, policy=policy, tones=True
    )
    assert [utterance.text for utterance in taker.prepared] == ["delete all", "delete all data no wait"]
    assert [utterance.text for utterance in taker.offered] == ["delete all data no wait"]
    assert len({utterance.utterance_id for utterance in (*taker.prepared, *taker.offered)}) == 1
    assert len([text for text in result.of(UserText) if text.final]) == 1
