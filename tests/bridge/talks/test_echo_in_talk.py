"""The agent's question comes back through an open microphone: nobody has answered it.

Full-duplex engines only, PersonaPlex and the fake: a half-duplex one is stopped by the sound before three of its words are out.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from talk_stage import Words, decided, held, result_out

from workbench.bridge.echo import ECHO
from workbench.engines.base import Engine
from workbench.events import IntentFound
from workbench.testing.duplex import DuplexEngine
from workbench.testing.tools import Script
from workbench.testing.user import Line, ScriptedUser


async def echoed(engine: Engine, folder: Path, echo: Line) -> None:
    user = ScriptedUser(Line("send the report to morgan"), echo, Line("yes", decided("ignore")), until=result_out)
    left = await held(folder, [engine], user, {"send_report": Script("It is sent.")})
    first, second, third = left.session["decisions"]
    assert [row["act"] for row in (first, second, third)] == ["propose", "ignore", "confirm"]
    assert (second["text"], second["reason"], second["tool"]) == (echo.text, ECHO, None)
    assert second["pending_id"] == first["invocation_id"] == third["invocation_id"]
    assert len(left.talk.of(IntentFound)) == 2, "an echo is not even asked about"
    assert left.called == ["send_report"]


async def test_an_echo_of_the_fakes_question(tmp_path: Path) -> None:
    await echoed(DuplexEngine(), tmp_path, Line("I am about to", Words(3), after_s=0.02, seconds=1.0))


@pytest.mark.parametrize("engine", ["personaplex"], indirect=True)
async def test_an_echo_of_the_personas_question(engine: Engine, tmp_path: Path) -> None:
    await echoed(engine, tmp_path, Line("I am about", Words(1), after_s=0.1, seconds=1.6))
