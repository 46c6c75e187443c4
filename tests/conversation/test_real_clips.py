"""Real clips through the real ears and the real bridge: tools are called when asked for, and never else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from workbench.audio.end_of_turn import EndOfTurn
from workbench.audio.frames import silence
from workbench.audio.wav import load_wav
from workbench.bridge.bridge import Bridge
from workbench.bridge.registry import Registry
from workbench.bridge.tools import register_builtin
from workbench.engines.speech.base import Asr
from workbench.engines.speech.pocketsphinx_asr import PocketsphinxAsr
from workbench.events import ResultDelivered, ToolFinished, ToolProposed, ToolStarted, UserText
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import TalkResult, run_talk

CLIPS = Path(__file__).parents[1] / "data" / "audio"
CHAT = [clip for clip in json.loads((CLIPS / "manifest.json").read_text()) if not clip.get("synthetic") and (CLIPS / clip["file"]).exists()]


@pytest.fixture
async def ears() -> AsyncIterator[tuple[Asr, EndOfTurn]]:
    asr, model = PocketsphinxAsr(), EndOfTurn()
    yield asr, model
    await asr.close()
    model.close()


async def talk(file: str, ears: tuple[Asr, EndOfTurn]) -> TalkResult:
    registry = Registry()
    local = register_builtin(registry, stats=lambda: {"sessions_today": 3, "sessions": 12})
    clip = np.concatenate([silence(12_000), load_wav(CLIPS / file)])
    try:
        return await run_talk(
            clip, engines=[ScriptedEngine(["I see"] * 20)], asr=ears[0], end_of_turn=ears[1], actor=Bridge(registry, names=["Tess"])
        )
    finally:
        local.close()


@pytest.mark.slow
@pytest.mark.parametrize("file", [clip["file"] for clip in CHAT])
async def test_no_tool_is_called_in_a_clip_in_which_none_is_asked_for(file: str, ears: tuple[Asr, EndOfTurn]) -> None:
    result = await talk(file, ears)
    assert result.of(ToolStarted) == []
    assert result.of(ToolProposed) == []
    assert result.reason == "completed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "tool", "needle"),
    [
        ("synthetic/time_tokyo.wav", "time", "Tokyo"),
        ("synthetic/time_london.wav", "time", "London"),
        ("synthetic/times.wav", "arithmetic", "eighty four"),
        ("synthetic/plus.wav", "arithmetic", "fifty"),
    ],
)
async def test_a_tool_that_is_asked_for_is_called_once_and_its_result_is_spoken(
    file: str, tool: str, needle: str, ears: tuple[Asr, EndOfTurn]
) -> None:
    result = await talk(file, ears)
    (started,) = result.of(ToolStarted)
    (finished,) = result.of(ToolFinished)
    (delivered,) = result.of(ResultDelivered)
    assert tool in started.tool
    assert needle in finished.spoken
    assert (delivered.how, delivered.words_heard, delivered.interrupted) == ("engine", delivered.words_asked, False)


@pytest.mark.slow
async def test_the_words_of_a_command_are_understood(ears: tuple[Asr, EndOfTurn]) -> None:
    result = await talk("goforward.wav", ears)
    finals = " ".join(event.text for event in result.of(UserText) if event.final)
    assert "go forward ten meters" in finals
