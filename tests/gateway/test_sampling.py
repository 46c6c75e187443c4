from __future__ import annotations

import pytest
import torch

from workbench.gateway.sampling import CounterDraws, Sampling, sample


def draw(
    logits: torch.Tensor, seeds: list[int], number: int, *, temperature: float = 1.0, top_k: int = 256, stream: int = 0
) -> torch.Tensor:
    rows = len(seeds)
    draws = CounterDraws(torch.tensor(seeds), torch.full((rows,), number))
    return sample(logits.expand(rows, -1), torch.ones(rows), torch.full((rows,), 256), draws, stream)


def test_tokens_are_drawn_with_their_probabilities() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    counts = torch.stack([torch.bincount(draw(logits, list(range(2_000)), number), minlength=4) for number in range(5)]).sum(0)
    assert torch.allclose(counts / 10_000, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.02)


def test_top_k_and_temperature_are_the_rows_own() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0, 0.0]]).expand(3, -1)
    draws = CounterDraws(torch.arange(3), torch.zeros(3, dtype=torch.long))
    seen = [set(), set(), set()]  # type: list[set[int]]
    for number in range(200):
        draws._passes = torch.full((3,), number)
        for row, token in enumerate(sample(logits, torch.tensor([0.0, 2.0, 2.0]), torch.tensor([4, 2, 4]), draws, 0).tolist()):
            seen[row].add(token)
    assert seen == [{1}, {1, 2}, {0, 1, 2, 3}]


def test_streams_and_passes_are_independent() -> None:
    """Each pair of draws that differ in one counter agrees about as often as chance has it (1 in 100)."""
    logits = torch.zeros(1, 100)
    seeds = list(range(5_000))
    base = draw(logits, seeds, 0)
    for other in (draw(logits, seeds, 1), draw(logits, seeds, 0, stream=1), draw(logits, [seed + 1 for seed in seeds], 0)):
        assert 20 < (base == other).sum() < 85


def test_extreme_seeds_give_usable_variates() -> None:
    for seed in (0, -1, 2**63 - 1, -(2**63)):
        draws = CounterDraws(torch.tensor([seed]), torch.tensor([2**40]))
        variates = draws.variates(8, torch.arange(2048)[None])
        assert torch.isfinite(variates).all()
        assert (variates > 0).all()


@pytest.mark.parametrize("wrong", [{"text_temperature": -0.1}, {"audio_temperature": 6.0}, {"text_top_k": 0}, {"audio_top_k": 257}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; give"):
        Sampling(**wrong)  # type: ignore[arg-type]
