from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.errors import AudioError
from workbench.audio.wav import load_wav, write_wav

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_sample_format_and_channel_count_comes_out_as_24_khz_mono(tmp_path: Path, subtype: str, channels: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.repeat(TONE[:, None], channels, axis=1), 16_000, subtype=subtype)
    sound = load_wav(tmp_path / "a.wav")
    assert sound.shape == (24_000,)
    assert sound.dtype == np.float32
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.5 / 2**0.5, rel=0.05)


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1), 16_000, subtype="FLOAT")
    assert np.abs(load_wav(tmp_path / "a.wav")).max() == pytest.approx(0.25, rel=0.02)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", TONE)
    np.testing.assert_allclose(load_wav(tmp_path / "a.wav"), TONE, atol=1e-4)


def test_loud_samples_are_clipped_not_wrapped(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([2.0, -2.0], np.float32))
    np.testing.assert_allclose(load_wav(tmp_path / "a.wav"), [1.0, -1.0], atol=1e-3)


@pytest.mark.parametrize("kept", [0, 10, 30, 44, 1_000, 31_999])
def test_a_cut_off_file_is_one_clear_error(tmp_path: Path, kept: int) -> None:
    soundfile.write(tmp_path / "whole.wav", TONE, 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:kept])
    with pytest.raises(AudioError, match=r"cut\.wav .*; "):
        load_wav(tmp_path / "cut.wav")


def test_a_wav_from_a_pipe_has_no_length_and_is_read_to_its_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", TONE, 16_000)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:40] + b"\xff\xff\xff\xff" + whole[44:])
    assert len(load_wav(tmp_path / "a.wav")) == 24_000


def test_missing_empty_strange_and_unwritable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"none\.wav cannot be read as audio \(it is not there\)"):
        load_wav(tmp_path / "none.wav")
    soundfile.write(tmp_path / "empty.wav", TONE[:0], 16_000)
    with pytest.raises(AudioError, match="holds no sound"):
        load_wav(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "slow.wav", TONE, 1_000)
    with pytest.raises(AudioError, match=r"slow\.wav: the sample rate is 1000 Hz"):
        load_wav(tmp_path / "slow.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="no numbers"):
        load_wav(tmp_path / "nan.wav")
    with pytest.raises(AudioError, match="cannot be written"):
        write_wav(tmp_path / "no-such-folder" / "a.wav", TONE)


@given(content=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_garbage_is_an_audio_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"^garbage\.wav "):
        load_wav(path)
