from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.audio.wav import load_wav
from workbench.gateway.checkpoint import Checkpoint, CheckpointError
from workbench.gateway.load import find_checkpoint, load_model
from workbench.gateway.offline import OfflineOptions, run_offline, spell
from workbench.gateway.prompts import EPAD, PAD
from workbench.gateway.sampling import GREEDY, Sampling

TEXT = "You are a wise and friendly teacher. Have a casual discussion about the weather."


def options(tiny_folder: Path, out: Path, sampling: Sampling = GREEDY, seed: int = 0) -> OfflineOptions:
    return OfflineOptions(
        "TINYW0.wav", tiny_folder / "inputs/user.flac", out / "a.wav", out / "a.json", TEXT, sampling, seed, out / "tokens.npz"
    )


def test_parity_writes_the_references_files(tiny: Checkpoint, tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny, device="cpu", voices=tiny_folder / "voices", parity=True)
    run_offline(model, options(tiny_folder, tmp_path))
    expected = tiny_folder / "expected"
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads((expected / "offline_f32_greedy.json").read_text())
    wav = load_wav(tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").frames == 229_000
    np.testing.assert_allclose(wav, load_wav(expected / "offline_f32_greedy.flac"), atol=7e-5)
    with np.load(tmp_path / "tokens.npz") as ours, np.load(expected / "f32_wav.npz") as theirs:
        np.testing.assert_array_equal(ours["out"], theirs["out"])
    run_offline(model, options(tiny_folder, tmp_path, Sampling(), 1234))
    with np.load(tmp_path / "tokens.npz") as ours, np.load(expected / "f32_sampled_seed1234.npz") as theirs:
        np.testing.assert_array_equal(ours["out"], theirs["out"])
    model.close()


def test_otherwise_each_frame_is_answered_at_once(tiny: Checkpoint, tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny, device="cpu", rows=2, voices=tiny_folder / "voices")
    done = []
    result = run_offline(model, options(tiny_folder, tmp_path), lambda number, _all: done.append(number))
    with np.load(tiny_folder / "expected" / "f32_wav.npz") as theirs:
        np.testing.assert_array_equal(result.tokens[:-1], theirs["out"][1:])
    assert len(result.tokens) == len(result.pieces) == 120
    assert len(result.pcm) == 229_000
    assert done == list(range(1, 121))
    model.close()


def test_what_cannot_be_loaded(tiny: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        find_checkpoint("no such thing")
    with pytest.raises(CheckpointError, match="at least 1"):
        load_model(tiny, device="cpu", rows=0)
    with pytest.raises(CheckpointError, match="no voices there"):
        load_model(tiny, device="cpu", voices=tmp_path / "none")


def test_a_folder_with_its_own_archive(tiny_folder: Path) -> None:
    model = load_model(find_checkpoint(str(tiny_folder)), device="cpu")
    assert sorted(model.voices) == ["TINYF0.pt", "TINYW1.wav"]
    model.warm_up()
    assert len(model.snapshots) == 2
    model.close()


def test_signs_that_come_in_bytes(tiny_folder: Path) -> None:
    model = load_model(find_checkpoint(str(tiny_folder)), device="cpu")
    euro, cut = model.tokenizer.encode("€"), model.tokenizer.encode("ü")[:-1]
    tokens = [PAD, *euro, EPAD, *cut, PAD, *cut]
    assert spell(model, tokens, joined=True) == ["PAD", " ", "", "", "€", "EPAD", " ", "", "\ufffd", " ", "\ufffd"]
    assert spell(model, tokens, joined=False)[1:5] == [" ", "<0xE2>", "<0x82>", "<0xAC>"]
    assert spell(model, [], joined=True) == []
    model.close()
