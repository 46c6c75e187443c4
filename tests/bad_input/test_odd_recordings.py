"""`workbench talk` with recordings in every shape a sound file comes in, through the real recogniser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from servers import CLIPS
from typer.testing import CliRunner

from workbench.cli import app


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "exact"),
    # A telephone's band is not what the recogniser was made for: it understands something, but not this.
    [(44_100, 2, "PCM_16", True), (11_025, 1, "PCM_U8", True), (8_000, 2, "PCM_U8", False), (96_000, 1, "FLOAT", True)],
)
def test_any_rate_width_and_number_of_channels_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int, channels: int, subtype: str, exact: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_ASR", "pocketsphinx")
    monkeypatch.setenv("WORKBENCH_TTS", "espeak-ng")
    sound, original = soundfile.read(CLIPS / "goforward.wav")
    changed = soxr.resample(sound, original, rate)
    soundfile.write(tmp_path / "odd.wav", np.stack([changed] * channels, axis=1), rate, subtype=subtype)
    done = CliRunner().invoke(app, ["talk", "odd.wav", "--engine", "scripted", "--test-engines", "--json", "--data-dir", "var"])
    assert done.exit_code == 0, done.stderr
    account = json.loads(done.stdout)
    said = [turn["text"] for turn in account["turns"] if turn["speaker"] == "user"]
    assert said, account
    assert said[0]
    assert not exact or "forward" in said[0].split()[:2], account
    assert account["ended_reason"] == "completed"
