from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moshi.models.compression import MimiModel

from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.prompts import MAX_TEXT_TOKENS, PromptError, assemble, encode_text, wrap
from workbench.gateway.voices import load_voice


def test_text_is_wrapped_and_encoded_as_in_the_reference(tiny: Checkpoint, cases: dict[str, Any]) -> None:
    tokenizer = tiny.load_text()
    for case in cases["system_wrap"]:
        assert wrap(case["text"]) == case["wrapped"]
        assert list(encode_text(tokenizer, case["text"])) == case["ids"]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_empty_text(tiny: Checkpoint, text: str) -> None:
    with pytest.raises(PromptError, match="empty"):
        encode_text(tiny.load_text(), text)


def test_too_long_text(tiny: Checkpoint) -> None:
    with pytest.raises(PromptError, match=f"at most {MAX_TEXT_TOKENS}"):
        encode_text(tiny.load_text(), "word " * 2_000)


@pytest.mark.parametrize(("case", "first"), [("f32_wav", 0), ("f32_pt", 29)])
def test_positions_are_those_the_reference_fed(
    tiny_folder: Path,
    cases: dict[str, Any],
    voice_files: dict[str, Path],
    voice_mimi: MimiModel,
    initial: torch.Tensor,
    case: str,
    first: int,
) -> None:
    """`lm_inputs` of the .pt case hold dummies where embeddings stand in."""
    golden = np.load(tiny_folder / "expected" / f"{case}.npz")
    voice = load_voice(voice_files[Path(cases["cases"][case]["voice"]).name], voice_mimi, dim=32, initial=initial, dtype=torch.float32)
    prompt = assemble(voice, tuple(cases["cases"][case]["text_prompt_ids"]), initial)
    assert prompt.frames == cases["cases"][case]["offsets_after_phase"]["after_sil2"]
    expected = golden["lm_inputs"][first : prompt.frames].astype(np.int64)
    np.testing.assert_array_equal(prompt.tokens[:, first : prompt.frames].T.numpy(), expected)
    assert (prompt.tokens[[0, 1, 9], prompt.frames] == -1).all()
    assert (prompt.tokens[[2, 8, 10, 16], prompt.frames] >= 0).all()
