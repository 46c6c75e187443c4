"""What is written down of the 7B model without torch, counted again with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from moshi.models import loaders

from workbench.gateway import files, needs, trial
from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.memory import CUDA_BESIDES_BYTES, MIB, predict
from workbench.gateway.needs import NEEDS


def test_the_files_are_those_that_moshi_names() -> None:
    assert (files.LM_FILE, files.MIMI_FILE, files.TEXT_FILE) == (loaders.MOSHI_NAME, loaders.MIMI_NAME, loaders.TEXT_TOKENIZER_NAME)


@pytest.mark.slow
def test_the_needs_are_those_that_the_shapes_give(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {**loaders._lm_kwargs, "dep_q": 16}, loaders._mimi_config, "7B")
    found = [predict(checkpoint, 1, torch.bfloat16, need.mode) for need in NEEDS]
    for need, counted in zip(NEEDS, found, strict=True):
        assert need.one_mib == pytest.approx((counted.device + CUDA_BESIDES_BYTES) / MIB, abs=2), need
        talk = counted.kv_slot + counted.codec_slot
        if need.mode.kv == "fp8":
            # Of every talk one layer's keys and values are held in full for a moment.
            talk += found[0].kv_slot * (need.mode.context or checkpoint.context) // checkpoint.context // checkpoint.lm_kwargs["num_layers"]
        assert need.talk_mib == pytest.approx(talk / MIB, abs=2), need


def test_what_fits() -> None:
    found = [needs.fitting(free) for free in (80_000, 19_086, 19_085, 4_196)]
    assert [(need.mode.flags(), slots) if (need := one and one[0]) and (slots := one[1]) else None for one in found] == [
        ("", 41),
        ("", 1),
        ("--weights int8", 5),
        None,
    ]


def test_a_product_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU: the same arithmetic, and one wrong entry is noticed."""
    monkeypatch.setattr(trial, "SIZE", 64)
    trial.multiply(torch.device("cpu"))
    real = torch.ones

    def broken(*shape: int, **named: object) -> torch.Tensor:
        made = real(*shape, **named)
        made[3, 3] = 2
        return made

    monkeypatch.setattr(torch, "ones", broken)
    with pytest.raises(ArithmeticError, match="127 wrong entries of 4096"):
        trial.multiply(torch.device("cpu"))
