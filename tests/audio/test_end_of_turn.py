import asyncio
import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from workbench.audio import onnx
from workbench.audio.end_of_turn import EndOfTurn, log_mel
from workbench.audio.errors import AudioError
from workbench.audio.frames import Pcm

CLIPS = Path(__file__).parents[1] / "data" / "audio"
WORDS = json.loads((CLIPS / "alignment.json").read_text())["clips"]


def clip(name: str) -> Pcm:
    sound, _rate = soundfile.read(CLIPS / name, dtype="float32")
    return np.asarray(sound, np.float32)


def test_features_are_whispers() -> None:
    sound = clip("librivox_0920.wav")
    padded = np.concatenate([np.zeros(128_000 - len(sound), np.float32), sound])
    normal = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
    mel = librosa.feature.melspectrogram(y=normal, sr=16_000, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect")[:, :-1]
    log = np.log10(np.maximum(mel, 1e-10))
    expected = (np.maximum(log, log.max() - 8) + 4) / 4
    assert log_mel(sound).shape == (80, 800)
    np.testing.assert_allclose(log_mel(sound), expected, atol=1e-3)


def test_only_the_last_eight_seconds_count() -> None:
    sound = np.tile(clip("librivox_0920.wav"), 2)
    np.testing.assert_array_equal(log_mel(sound), log_mel(sound[-128_000:]))


@pytest.mark.parametrize("length", [0, 1, 100])
def test_hardly_any_sound_still_has_features(length: int) -> None:
    assert np.isfinite(log_mel(np.ones(length, np.float32))).all()


async def test_a_finished_sentence_scores_above_a_broken_off_one() -> None:
    judge = EndOfTurn()
    pause = np.zeros(3_200, np.float32)
    whole = clip("arctic_a0024.wav")
    *_before, (word, _start_s, end_s), _to, (last_word, _last_start_s, last_end_s) = WORDS["arctic_a0024.wav"]
    assert (word, last_word) == ("people", "buy")
    ended = await judge.score(np.concatenate([whole[: int(last_end_s * 16_000)], pause]))
    broken = await judge.score(np.concatenate([whole[: int(end_s * 16_000)], pause]))
    judge.close()
    assert ended > 0.7
    assert broken < 0.2


async def test_the_loop_goes_on_while_it_is_judged() -> None:
    judge = EndOfTurn()
    scoring = asyncio.ensure_future(judge.score(clip("goforward.wav")))
    turns = 0
    while not scoring.done():
        turns += 1
        await asyncio.sleep(0)
    judge.close()
    assert turns > 10


def test_a_missing_model_names_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match=r"pipecat-ai holds no audio/none\.onnx"):
        onnx.open_model("audio/none.onnx")
    monkeypatch.setattr(onnx, "find_spec", lambda _name: None)
    with pytest.raises(AudioError, match="not installed; run `uv sync`"):
        onnx.open_model("audio/other.onnx")
