"""Drawing tokens, with its own settings and its own random stream for every row of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from workbench.gateway.checkpoint import HEARD

MAX_TOP_K = 256
"""Candidates looked at in every row; a row's own top-k lies below. Fixed, so that a captured graph serves every row."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a row draws. Temperature 0 is greedy. The defaults are the reference server's."""

    text_temperature: float = 0.7
    text_top_k: int = 25
    audio_temperature: float = 0.8
    audio_top_k: int = 250

    def __post_init__(self) -> None:
        for name, value in (("text", self.text_temperature), ("audio", self.audio_temperature)):
            if not 0.0 <= value <= 5.0:
                raise ValueError(f"{name}_temperature is {value}; give 0 (greedy) to 5")
        for name, value in (("text", self.text_top_k), ("audio", self.audio_top_k)):
            if not 1 <= value <= MAX_TOP_K:
                raise ValueError(f"{name}_top_k is {value}; give 1 to {MAX_TOP_K}")


GREEDY = Sampling(text_temperature=0.0, audio_temperature=0.0)


class Draws(Protocol):
    """Where the exponential variates of a draw come from. Stream 0 is text, 1..8 are the depth steps of one pass."""

    def variates(self, stream: int, candidates: torch.Tensor) -> torch.Tensor:
        """Standard exponentials for the `candidates` [B, K] (token ids, most likely first), same shape, float32, above 0."""
        ...


class CounterDraws:
    """A counter-based stream per row: a variate depends on seed, pass, stream and token only, so a seed repeats whatever the neighbours
    do, on any device. The generator is SplitMix64's finaliser (Steele, Lea, Flood 2014), applied to each counter in turn."""

    def __init__(self, seeds: torch.Tensor, passes: torch.Tensor) -> None:
        """`seeds`, `passes`: [B] int64, the rows' own; `passes` counts the row's sampled passes."""
        self._seeds = seeds
        self._passes = passes

    def variates(self, stream: int, candidates: torch.Tensor) -> torch.Tensor:
        key = _mix(_mix(self._seeds) + self._passes * (HEARD + 1) + stream)
        bits = (_mix(key[:, None] + _mix(candidates)) >> 40) & 0xFF_FFFF
        return -torch.log((bits.float() + 0.5) / 2**24)


class ReferenceDraws:
    """The reference's order of draws, for bit parity: per pass one row of text candidates, then sixteen of audio candidates."""

    REFERENCE_STEPS = 16

    def __init__(self, rows: int) -> None:
        self._generators = [torch.Generator() for _ in range(rows)]
        self._sampling = [Sampling()] * rows
        self._drawing: list[int] = []

    def start(self, row: int, seed: int, sampling: Sampling, passes: int) -> None:
        """Seeds a row, and spends the draws of the `passes` prompt positions, which the reference samples and throws away."""
        self._generators[row].manual_seed(seed)
        self._sampling[row] = sampling
        for _ in range(passes):
            self._spend(row, sampling.text_top_k, 1)
            self._spend(row, sampling.audio_top_k, self.REFERENCE_STEPS)

    def begin(self, rows: list[int]) -> None:
        """The rows of the batch that draw in the next pass."""
        self._drawing = rows

    def finish(self, steps: int) -> None:
        """Spends what the reference draws for the depth steps after the first `steps`."""
        for row in self._drawing:
            self._spend(row, self._sampling[row].audio_top_k, self.REFERENCE_STEPS - steps)

    def variates(self, stream: int, candidates: torch.Tensor) -> torch.Tensor:
        drawn = torch.ones(candidates.shape)
        for index, row in self._places(len(candidates)):
            sampling = self._sampling[row]
            count = min(sampling.audio_top_k if stream else sampling.text_top_k, candidates.shape[1])
            drawn[index, :count] = torch.empty(1, count).exponential_(1, generator=self._generators[row])[0]
        return drawn.to(candidates.device)

    def _places(self, batch: int) -> list[tuple[int, int]]:
        alone = batch == 1 and len(self._drawing) == 1
        return [(0 if alone else row, row) for row in self._drawing]

    def _spend(self, row: int, count: int, times: int) -> None:
        for _ in range(times):
            torch.empty(1, count).exponential_(1, generator=self._generators[row])


def sample(logits: torch.Tensor, temperature: torch.Tensor, top_k: torch.Tensor, draws: Draws, stream: int) -> torch.Tensor:
    """One token per row. `logits` [B, V] in any float type, `temperature` [B] float32, `top_k` [B] int64; returns [B] int64.

    Softmax, top-k without renormalisation, then the exponential race (argmax of p / e), as the reference does."""
    logits = logits.float()
    greedy = temperature <= 0
    likely = torch.softmax(logits / torch.where(greedy, 1.0, temperature)[:, None], dim=-1)
    likely, candidates = likely.topk(min(MAX_TOP_K, logits.shape[-1]), dim=-1)
    ranks = torch.arange(likely.shape[-1], device=likely.device)
    likely = torch.where(ranks < top_k[:, None], likely, 0.0)
    winner = (likely / draws.variates(stream, candidates)).argmax(dim=-1, keepdim=True)
    return torch.where(greedy, logits.argmax(dim=-1), candidates.gather(-1, winner)[:, 0])


def _mix(x: torch.Tensor) -> torch.Tensor:
    """64 bits in, 64 well mixed bits out; int64 multiplication wraps."""
    x = x + -0x61C8864680B583EB
    x = (x ^ _shifted(x, 30)) * -0x40A7B892E31B1A47
    x = (x ^ _shifted(x, 27)) * -0x6B2FB644ECCEEE15
    return x ^ _shifted(x, 31)


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift to the right; torch's is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
