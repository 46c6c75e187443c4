"""PersonaPlex keeps quiet while a tool works, and is free when the reason is over, however it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from talk_stage import held, result_out, started, told

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.bridge.heard import content_before_results
from workbench.engines.base import Engine
from workbench.events import AgentText, NoticeDelivered, ResultDelivered, ToolStarted
from workbench.testing.tools import Script
from workbench.testing.user import Cue, Line, ScriptedUser

WEATHER = Line("how is the weather")
IN_FLIGHT_SAMPLES = 3 * FRAME_SAMPLES
"""The order goes with the next frame, and the reply to the frame after it is the first that obeys."""


@pytest.mark.parametrize("engine", ["personaplex"], indirect=True)
@pytest.mark.parametrize(
    ("script", "lines", "until"),
    [
        (Script("It rains.", slow_ms=1_500), (WEATHER,), result_out),
        (Script(error="no", slow_ms=1_500), (WEATHER,), told("apology")),
        (Script("It rains.", slow_ms=20_000), (WEATHER, Line("never mind", started)), told("called_off")),
    ],
    ids=["result", "failure", "called off"],
)
async def test_held_while_the_tool_works_and_free_afterwards(
    engine: Engine, tmp_path: Path, script: Script, lines: tuple[Line, ...], until: Cue
) -> None:
    """The tiny model never stops talking of its own accord, so silence is the hold, and its end is seen at once."""
    left = await held(tmp_path, [engine], ScriptedUser(*lines, until=until, linger_s=2.0), {"weather": script}, timeout_s=25.0)
    own = [piece.at_samples for piece in left.talk.of(AgentText) if not piece.forced]
    (begun,) = left.talk.of(ToolStarted)
    spoken = [*left.talk.of(ResultDelivered), *left.talk.of(NoticeDelivered)][-1]
    assert [at for at in own if begun.at_samples + IN_FLIGHT_SAMPLES < at < spoken.at_samples] == []
    assert [at for at in own if at < begun.at_samples], "it talks when nothing holds it"
    # A barge-in is not in play, so nothing but a forgotten hold could keep it quiet for two seconds.
    assert [at for at in own if spoken.noticed_samples < at < spoken.noticed_samples + 2 * SAMPLE_RATE]


@pytest.mark.parametrize("engine", ["personaplex"], indirect=True)
async def test_what_it_said_before_the_result_is_counted_from_the_events(engine: Engine, tmp_path: Path) -> None:
    user = ScriptedUser(WEATHER, until=result_out)
    left = await held(tmp_path, [engine], user, {"weather": Script("It rains.", slow_ms=1_500)})
    (row,) = left.tools
    assert {row["invocation_id"]: row["words_before_result"]} == content_before_results(left.talk.events)
    assert row["words_before_result"] <= 3, "no more than was in flight when the hold came"
