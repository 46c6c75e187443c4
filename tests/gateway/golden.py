"""Runs the golden cases on the batched generator: prompts taken in alone, talks in any rows of any batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel
from numpy.typing import NDArray

from workbench.gateway.generator import Generator, initial_tokens
from workbench.gateway.prefill import Prefiller
from workbench.gateway.prompts import Prompt, assemble
from workbench.gateway.sampling import GREEDY, ReferenceDraws, Sampling
from workbench.gateway.snapshots import Snapshots
from workbench.gateway.voices import load_voice

Codes = NDArray[np.int64]


@dataclass
class Talk:
    """One talk to run: its prompt, its user, when it joins and which ticks it misses."""

    prompt: Prompt
    user: Codes
    row: int
    joins: int = 0
    misses: frozenset[int] = frozenset()
    sampling: Sampling = GREEDY
    seed: int = 0
    heard: list[Codes] = field(default_factory=list)

    @property
    def tokens(self) -> Codes:
        return np.stack(self.heard)


def make_prompt(name: str, ids: Sequence[int], lm: LMModel, mimi: MimiModel, voice_files: Mapping[str, Path]) -> Prompt:
    initial = initial_tokens(lm)
    voice = load_voice(voice_files[name], mimi, dim=lm.dim, initial=initial, dtype=lm.dtype)
    return assemble(voice, tuple(ids), initial)


def load_golden(folder: Path, case: str) -> dict[str, Any]:
    with np.load(folder / "expected" / f"{case}.npz") as arrays:
        return {name: arrays[name].astype(np.int64) for name in ("out", "user_codes", "text_prompt_ids")}


@contextmanager
def streaming(lm: LMModel, rows: int, *, chunk: int = 32, draws: ReferenceDraws | None = None) -> Iterator[tuple[Prefiller, Generator]]:
    prefiller = Prefiller(lm, Snapshots(1 << 24), chunk=chunk)
    generator = Generator(lm, rows, draws=draws)
    try:
        yield prefiller, generator
    finally:
        generator.close()


def run(talks: list[Talk], prefiller: Prefiller, generator: Generator) -> None:
    """Ticks until every talk has had all its frames."""
    tick = 0
    while any(len(talk.heard) < len(talk.user) for talk in talks):
        user = torch.zeros(generator.rows, 8, dtype=torch.long)
        speaking = []
        for talk in talks:
            if talk.joins == tick:
                generator.join(talk.row, prefiller.run(talk.prompt), talk.sampling, talk.seed)
            if talk.joins <= tick and tick - talk.joins not in talk.misses and len(talk.heard) < len(talk.user):
                user[talk.row] = torch.from_numpy(talk.user[len(talk.heard)])
                speaking.append(talk)
        active = [False] * generator.rows
        for talk in speaking:
            active[talk.row] = True
        output = generator.step(user, active)
        assert output.finite[[talk.row for talk in speaking]].all()
        for talk in speaking:
            talk.heard.append(output.tokens[talk.row].numpy().copy())
        tick += 1
