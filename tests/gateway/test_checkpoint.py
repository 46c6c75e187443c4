from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from moshi.models import loaders
from safetensors.torch import load_file, save_file

from workbench.gateway.checkpoint import Checkpoint, CheckpointError, open_checkpoint, shapes_on_disk
from workbench.gateway.files import LM_FILE, MIMI_FILE, TEXT_FILE
from workbench.gateway.load import load_model
from workbench.gateway.memory import held_bytes

CPU = torch.device("cpu")


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    for name in ("config.json", LM_FILE, MIMI_FILE, TEXT_FILE):
        shutil.copy(tiny_folder / name, tmp_path / name)
    return tmp_path


def cut_to_eight_steps(path: Path) -> None:
    """The base-Moshi layout: depth steps 8..15 dropped, their rows cut off."""
    kept = {}
    for name, tensor in load_file(path).items():
        step = re.search(r"(gating|linears|depformer_in)\.(\d+)\.", name) if "depformer" in name or "linears" in name else None
        if (step and int(step[2]) >= 8) or re.fullmatch(r"depformer_emb\.([7-9]|1\d)\.weight", name):
            continue
        if re.fullmatch(r"depformer\..*self_attn\.(in_proj_weight|out_proj\.weight)", name):
            tensor = tensor[: len(tensor) // 2].clone()
        kept[name] = tensor
    save_file(kept, path)


def test_sixteen_step_file_loads(tiny: Checkpoint) -> None:
    assert tiny.lm_kwargs["dep_q"] == 16
    assert tiny.context == 3000
    lm = tiny.load_lm(CPU, torch.float32, context=63)
    assert lm.context == 63
    assert lm.dtype == torch.float32
    assert not lm.training


def test_uploaded_voices_stand_beside_the_checkpoints_own(tiny: Checkpoint, tmp_path: Path) -> None:
    own = load_model(tiny, device="cpu", more_voices=tmp_path / "not there")
    rng = np.random.default_rng(1)
    for name in ("ida", "TINYW1"):
        soundfile.write(tmp_path / f"{name}.wav", rng.standard_normal(24_000) * 0.1, 24_000)
    (tmp_path / "ida.json").write_text("{}")
    both = load_model(tiny, device="cpu", more_voices=tmp_path)
    assert set(both.voices) == {*own.voices, "ida.wav"}
    assert both.voices["TINYW1.wav"].content_hash == own.voices["TINYW1.wav"].content_hash
    assert both.voices["ida.wav"].frames == 13


def test_eight_step_file_loads(copy: Path) -> None:
    cut_to_eight_steps(copy / LM_FILE)
    opened = open_checkpoint(copy)
    assert opened.lm_kwargs["dep_q"] == 8
    assert opened.load_lm(CPU, torch.bfloat16).dep_q == 8


def test_depth_steps_that_are_never_heard_are_let_go(tiny: Checkpoint) -> None:
    kept, stored = tiny.load_lm(CPU, torch.bfloat16), tiny.empty_lm(torch.bfloat16)
    assert len(kept.linears) == len(kept.depformer.layers[0].gating) == 8
    assert len(stored.linears) == 16
    # Memory and not only names: the file's tensors hold all steps of a projection.
    assert held_bytes(kept.parameters()) == sum(value.numel() * 2 for value in kept.parameters()) < held_bytes(stored.parameters())


def test_without_dimensions_the_7b_is_meant() -> None:
    """The published file has 475 tensors of 8,371,408,896 parameters."""
    lm = loaders.get_moshi_lm(None, lm_kwargs_overrides={"dep_q": 16}, device="meta")
    shapes = shapes_on_disk(lm)
    assert len(shapes) == 475
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 8_371_408_896


def test_missing_config_means_7b_and_the_tiny_file_is_refused(copy: Path) -> None:
    (copy / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"does not fit config\.json"):
        open_checkpoint(copy)


@pytest.mark.parametrize("name", [LM_FILE, MIMI_FILE])
def test_truncated_file(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="cut off"):
        open_checkpoint(copy)


@pytest.mark.parametrize("name", [LM_FILE, MIMI_FILE, TEXT_FILE])
def test_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"no {name}"):
        open_checkpoint(copy)


def test_wrong_tokenizer(copy: Path) -> None:
    (copy / TEXT_FILE).write_bytes(b"not a tokenizer")
    with pytest.raises(CheckpointError, match="not a SentencePiece model"):
        open_checkpoint(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 64}, "expected"),
        ({"num_layers": 3}, "is missing"),
        ({"num_layers": 1}, "is not part of the model"),
        ({"delays": [0] * 17}, "delays"),
        ({"text_card": 447}, "expected"),
        ({"dim": "wide"}, "cannot be built"),
        ({"no_such_word": 1}, "cannot be built"),
    ],
)
def test_wrong_dimensions(copy: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["lm_kwargs"] |= change
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"lm_kwargs": 3}'])
def test_broken_config(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        open_checkpoint(copy)
