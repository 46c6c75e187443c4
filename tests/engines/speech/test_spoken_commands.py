"""The closed grammar of the real tools over every clip: what is asked for is heard, what is not asked for never is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from workbench.audio.frames import LISTEN_RATE
from workbench.audio.resample import resample
from workbench.bridge.registry import Registry
from workbench.bridge.replies import REPLY_PHRASES
from workbench.bridge.tools import register_builtin
from workbench.engines.speech.pocketsphinx_decoding import Decoding

CLIPS = Path(__file__).parents[2] / "data" / "audio"
REAL: list[dict[str, Any]] = json.loads((CLIPS / "manifest.json").read_text())
SYNTHETIC: list[dict[str, Any]] = json.loads((CLIPS / "synthetic" / "manifest.json").read_text())


def tool_phrases() -> list[str]:
    registry = Registry()
    register_builtin(registry, stats=lambda _question: pytest.fail("nobody asks"))
    return [*registry.phrases(), *REPLY_PHRASES]


def heard(decoding: Decoding, path: Path) -> tuple[str, str | None]:
    sound, rate = soundfile.read(path, dtype="float32")
    pcm = np.concatenate([np.zeros(4_800, np.float32), resample(sound, rate, LISTEN_RATE), np.zeros(3_200, np.float32)])
    for first in range(0, len(pcm), 1_280):
        decoding.feed(pcm[first : first + 1_280])
    return decoding.finish()


@pytest.mark.slow
def test_no_command_is_heard_in_real_speech_that_holds_none() -> None:
    decoding = Decoding(tool_phrases())
    commands = {clip["file"]: heard(decoding, CLIPS / clip["file"])[1] for clip in REAL[::2]}
    assert {file: command for file, command in commands.items() if command} == {}
    assert len(commands) >= 12


@pytest.mark.slow
def test_synthetic_requests_are_mostly_heard_and_never_mistaken() -> None:
    phrases = tool_phrases()
    decoding = Decoding(phrases)
    asked = [clip for clip in SYNTHETIC if clip["transcript"] in phrases]
    answers = {clip["file"]: heard(decoding, CLIPS / "synthetic" / clip["file"])[1] for clip in asked}
    right = [clip for clip in asked if answers[clip["file"]] == clip["transcript"]]
    mistaken = {clip["file"]: answers[clip["file"]] for clip in asked if answers[clip["file"]] not in (None, clip["transcript"])}
    assert mistaken == {}
    assert len(right) >= 0.75 * len(asked) >= 5


def test_only_dictation_where_there_is_nothing_to_ask_for() -> None:
    assert heard(Decoding(), CLIPS / "goforward.wav") == ("go forward ten meters", None)
