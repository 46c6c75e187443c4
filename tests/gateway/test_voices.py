from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from moshi.models.compression import MimiModel

from workbench.audio.wav import load_wav
from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.loudness import integrated_lufs, normalise
from workbench.gateway.voice_sound import VoiceError
from workbench.gateway.voices import Voice, encode_voice, find_voices, load_voice, unpack_voices


def load(path: Path, mimi: MimiModel, initial: torch.Tensor, dtype: torch.dtype = torch.float32) -> Voice:
    return load_voice(path, mimi, dim=32, initial=initial, dtype=dtype)


@pytest.mark.parametrize("name", ["TINYW0", "TINYW1"])
def test_loudness_and_codes_are_the_references(
    voice_files: dict[str, Path], voice_mimi: MimiModel, cases: dict[str, Any], tiny_folder: Path, name: str
) -> None:
    path = voice_files[name + ".wav"]
    assert integrated_lufs(load_wav(path)) == pytest.approx(cases["voice_lufs"][name], abs=1e-6)
    expected = np.load(tiny_folder / "expected" / "voice_codes.npz")[name]
    np.testing.assert_array_equal(encode_voice(path, voice_mimi).numpy(), expected)
    assert not voice_mimi.is_streaming


def test_saved_voice_is_cast_to_the_models_type(voice_files: dict[str, Path], voice_mimi: MimiModel, initial: torch.Tensor) -> None:
    voice = load(voice_files["TINYF0.pt"], voice_mimi, initial)
    assert voice.frames == 30
    assert voice.embeddings is not None
    assert voice.embeddings.shape == (29, 32)
    assert voice.embeddings.dtype == torch.float32


@pytest.mark.parametrize(("rate", "channels"), [(24_000, 2), (44_100, 1), (16_000, 2), (48_000, 3)])
def test_any_rate_and_channels(tmp_path: Path, voice_mimi: MimiModel, initial: torch.Tensor, rate: int, channels: int) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, (rate, channels))
    soundfile.write(tmp_path / "v.wav", noise, rate)
    assert load(tmp_path / "v.wav", voice_mimi, initial).frames == 13


@pytest.mark.parametrize(
    ("samples", "level", "message"), [(24_000, 0.0, "silent"), (9_599, 0.1, "too short"), (24_000 * 31, 0.1, "too long")]
)
def test_unusable_sound(tmp_path: Path, voice_mimi: MimiModel, initial: torch.Tensor, samples: int, level: float, message: str) -> None:
    soundfile.write(tmp_path / "v.wav", np.random.default_rng(3).normal(0, 1, samples) * level, 24_000)
    with pytest.raises(VoiceError, match=message):
        load(tmp_path / "v.wav", voice_mimi, initial)


def test_exactly_one_block_is_enough() -> None:
    pcm = np.random.default_rng(3).normal(0, 0.1, 9_600).astype(np.float32)
    assert integrated_lufs(normalise(pcm, -24.0)) == pytest.approx(-24.0, abs=1e-4)


class Mischief:
    """Unpickling this would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("owned",))


EMBEDDINGS, CACHE = torch.zeros(29, 1, 1, 32), torch.zeros(1, 17, 4, dtype=torch.long)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Mischief(), "tensors only"),
        ([1, 2], "must hold"),
        ({"embeddings": EMBEDDINGS}, "must hold"),
        ({"embeddings": torch.zeros(29, 1, 1, 64), "cache": CACHE}, "made for this model"),
        ({"embeddings": torch.zeros(0, 1, 1, 32), "cache": CACHE}, "made for this model"),
        ({"embeddings": EMBEDDINGS * torch.nan, "cache": CACHE}, "no numbers"),
        ({"embeddings": EMBEDDINGS, "cache": CACHE.float()}, "whole numbers"),
        ({"embeddings": EMBEDDINGS, "cache": CACHE[:, :9]}, "whole numbers"),
        ({"embeddings": EMBEDDINGS, "cache": CACHE + 2049}, "does not have"),
        ({"embeddings": EMBEDDINGS, "cache": CACHE - 1}, "does not have"),
        ({"embeddings": torch.zeros(500, 1, 1, 32), "cache": CACHE}, "too long"),
    ],
)
def test_wrong_saved_voice(
    tmp_path: Path, voice_mimi: MimiModel, initial: torch.Tensor, content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "v.pt")
    with pytest.raises(VoiceError, match=message):
        load(tmp_path / "v.pt", voice_mimi, initial)
    assert "owned" not in capsys.readouterr().out


def test_bytes_that_are_no_saved_voice(tmp_path: Path, voice_mimi: MimiModel, initial: torch.Tensor) -> None:
    for content in (b"", b"PK\x03\x04 no zip", b"\x80\x04."):
        (tmp_path / "v.pt").write_bytes(content)
        with pytest.raises(VoiceError, match="not a saved voice"):
            load(tmp_path / "v.pt", voice_mimi, initial)


def test_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "voices.tgz", "w:gz") as tar:
        for name in ("../../evil.pt", "/etc/evil.wav", "voices/good.pt", "voices/readme.txt", "voices/..", "voices/.pt"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("voices/link.pt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    folder = unpack_voices(tmp_path / "voices.tgz", tmp_path / "deep" / "er")
    assert set(find_voices(folder)) == {"evil.pt", "evil.wav", "good.pt"}
    assert {path.name for path in tmp_path.iterdir()} == {"voices.tgz", "deep"}


def test_broken_archive(tmp_path: Path, tiny_folder: Path) -> None:
    whole = (tiny_folder / "voices.tgz").read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2]):
        (tmp_path / "voices.tgz").write_bytes(content)
        with pytest.raises(VoiceError, match="download it again"):
            unpack_voices(tmp_path / "voices.tgz", tmp_path / "out")


def test_mimi_window_of_the_reference(tiny: Checkpoint, tiny_folder: Path) -> None:
    """The reference attends to 249 steps once its ring is full, which changes codes from frame 124 on."""
    expected = np.load(tiny_folder / "expected" / "mimi_long.npz")
    pcm = torch.from_numpy(load_wav(tiny_folder / "inputs" / "long.flac")).view(-1, 1, 1, 1920)
    for context, name in ((249, "fork_codes"), (None, "upstream_ctx250_codes")):
        mimi = tiny.load_mimi(torch.device("cpu"), context=context)
        with torch.no_grad(), mimi.streaming(1):
            codes = torch.cat([mimi.encode(frame)[0].T for frame in pcm])
        np.testing.assert_array_equal(codes.numpy(), expected[name])
