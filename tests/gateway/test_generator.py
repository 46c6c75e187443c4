"""Token-for-token equality with the reference, whose row i + 1 answers user frame i."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import Talk, load_golden, make_prompt, run, streaming
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel

from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.prompts import Prompt
from workbench.gateway.sampling import GREEDY, ReferenceDraws, Sampling

SAMPLED = Sampling()


@pytest.fixture(scope="module")
def wav(tiny_folder: Path) -> dict[str, Any]:
    return load_golden(tiny_folder, "f32_wav")


@pytest.fixture(scope="module")
def prompt(lm_f32: LMModel, voice_mimi: MimiModel, voice_files: dict[str, Path], wav: dict[str, Any]) -> Prompt:
    return make_prompt("TINYW0.wav", wav["text_prompt_ids"], lm_f32, voice_mimi, voice_files)


@pytest.fixture(scope="module")
def saved_prompt(lm_f32: LMModel, voice_mimi: MimiModel, voice_files: dict[str, Path], wav: dict[str, Any]) -> Prompt:
    return make_prompt("TINYF0_f32.pt", wav["text_prompt_ids"], lm_f32, voice_mimi, voice_files)


@pytest.mark.parametrize(("which", "chunk"), [("prompt", 1), ("prompt", 500), ("saved_prompt", 16)])
def test_greedy_alone(lm_f32: LMModel, wav: dict[str, Any], request: pytest.FixtureRequest, which: str, chunk: int) -> None:
    talk = Talk(request.getfixturevalue(which), wav["user_codes"], 0)
    with streaming(lm_f32, 1, chunk=chunk) as parts:
        run([talk], *parts)
    np.testing.assert_array_equal(talk.tokens[:-1], wav["out"][1:])


def test_greedy_past_the_end_of_the_window(
    tiny: Checkpoint, tiny_folder: Path, voice_mimi: MimiModel, voice_files: dict[str, Path]
) -> None:
    golden = load_golden(tiny_folder, "f32_ctx64")
    lm = tiny.load_lm(torch.device("cpu"), torch.float32, context=63)
    talk = Talk(make_prompt("TINYW0.wav", golden["text_prompt_ids"], lm, voice_mimi, voice_files), golden["user_codes"], 1)
    with streaming(lm, 2) as parts:
        run([talk], *parts)
    np.testing.assert_array_equal(talk.tokens[:-1], golden["out"][1:])


@pytest.mark.parametrize("rows", [1, 3])
def test_sampled_with_the_references_draws(lm_f32: LMModel, tiny_folder: Path, prompt: Prompt, rows: int) -> None:
    golden = load_golden(tiny_folder, "f32_sampled_seed1234")
    draws = ReferenceDraws(rows)
    talks = [Talk(prompt, golden["user_codes"], rows - 1, joins=rows, sampling=SAMPLED, seed=1234)]
    if rows > 1:
        talks.append(Talk(prompt, golden["user_codes"][:40], 0, sampling=SAMPLED, seed=7))
    with streaming(lm_f32, rows, draws=draws) as parts:
        run(talks, *parts)
    np.testing.assert_array_equal(talks[0].tokens[:-1], golden["out"][1:])


def test_batch_of_three_staggered_with_pauses_and_a_reused_row(
    lm_f32: LMModel, wav: dict[str, Any], prompt: Prompt, saved_prompt: Prompt
) -> None:
    user = wav["user_codes"]
    talks = [
        Talk(prompt, user, 0, misses=frozenset({5, 6, 40})),
        Talk(saved_prompt, user[:50], 1, joins=17, misses=frozenset(range(9, 20))),
        Talk(saved_prompt, user, 2, joins=43),
        Talk(prompt, user, 1, joins=17 + 50 + 11, misses=frozenset({1, 3, 5})),
    ]
    with streaming(lm_f32, 3) as parts:
        run(talks, *parts)
    for talk in talks:
        np.testing.assert_array_equal(talk.tokens[:-1], wav["out"][1 : len(talk.user)])


def test_batch_of_eight_in_sparse_rows_beside_sampling_neighbours(
    lm_f32: LMModel, wav: dict[str, Any], prompt: Prompt, saved_prompt: Prompt
) -> None:
    user = wav["user_codes"]
    talks = [
        Talk(prompt, user, 7, joins=3),
        Talk(saved_prompt, user, 2, joins=12, misses=frozenset({2, 60})),
        Talk(prompt, user[::-1], 5, joins=1, sampling=SAMPLED, seed=3),
        Talk(prompt, user[::-1], 0, joins=30, sampling=SAMPLED, seed=4),
    ]
    with streaming(lm_f32, 8) as parts:
        run(talks, *parts)
    for talk in talks[:2]:
        np.testing.assert_array_equal(talk.tokens[:-1], wav["out"][1:])


def test_seed_repeats_beside_other_neighbours(lm_f32: LMModel, wav: dict[str, Any], prompt: Prompt) -> None:
    user = wav["user_codes"][:60]
    alone, beside, other = (Talk(prompt, user, row, sampling=SAMPLED, seed=seed) for row, seed in ((0, 11), (1, 11), (2, 12)))
    with streaming(lm_f32, 1) as parts:
        run([alone], *parts)
    beside.joins, beside.misses = 9, frozenset({4, 5})
    with streaming(lm_f32, 3) as parts:
        run([beside, other, Talk(prompt, user[::-1], 0, sampling=SAMPLED, seed=1)], *parts)
    np.testing.assert_array_equal(alone.tokens, beside.tokens)
    assert (alone.tokens[:, :9] != other.tokens[:, :9]).mean() > 0.5


def test_row_that_went_nan_is_reused_clean(lm_f32: LMModel, wav: dict[str, Any], prompt: Prompt) -> None:
    user = wav["user_codes"]
    neighbour, visitor = Talk(prompt, user, 1), Talk(prompt, user, 0)
    with streaming(lm_f32, 2) as (prefiller, generator):
        generator.join(0, prefiller.run(prompt), GREEDY, 0)
        for part in lm_f32.transformer.get_streaming_state().values():
            if getattr(part, "kv_cache", None) is not None:
                part.kv_cache.cache[:, 0] = torch.nan
        output = generator.step(torch.zeros(2, 8, dtype=torch.long), [True, False])
        assert output.finite.tolist() == [False, True]
        run([neighbour, visitor], prefiller, generator)
    for talk in (neighbour, visitor):
        np.testing.assert_array_equal(talk.tokens[:-1], wav["out"][1:])


def test_bfloat16_stays_with_the_reference_until_a_tie(
    tiny: Checkpoint, tiny_folder: Path, voice_mimi: MimiModel, voice_files: dict[str, Path]
) -> None:
    """Informational: exact ties of bfloat16 logits fall differently with another kernel."""
    golden = load_golden(tiny_folder, "bf16_pt")
    lm = tiny.load_lm(torch.device("cpu"), torch.bfloat16)
    talk = Talk(make_prompt("TINYF0.pt", golden["text_prompt_ids"], lm, voice_mimi, voice_files), golden["user_codes"], 0)
    with streaming(lm, 1, chunk=1) as parts:
        run([talk], *parts)
    same = (talk.tokens[:-1] == golden["out"][1:]).all(axis=1)
    assert same[:5].all()
