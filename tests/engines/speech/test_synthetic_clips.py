from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

CLIPS = Path(__file__).parents[2] / "data" / "audio" / "synthetic"


def test_the_manifest_tells_what_is_there() -> None:
    manifest = json.loads((CLIPS / "manifest.json").read_text())
    assert {clip["file"] for clip in manifest} == {path.name for path in CLIPS.glob("*.wav")}
    for clip in manifest:
        pcm, rate = soundfile.read(CLIPS / clip["file"], dtype="float32")
        assert (rate, pcm.ndim) == (16_000, 1)
        assert clip["synthetic"] is True
        assert clip["duration_s"] == round(len(pcm) / rate, 3)
        words = len(clip["transcript"].split())
        loud = np.flatnonzero(np.abs(pcm) > 0.03)
        assert 0.15 * words < (loud[-1] - loud[0]) / rate < 0.6 * words
