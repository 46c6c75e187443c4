"""A PersonaPlex of random weights, made where it is to run: the exact shapes of the 7B, or of the tiny checkpoint, without a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
from moshi.models import loaders
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel

from benchmarks.children import ROOT
from workbench.audio.frames import SAMPLE_RATE
from workbench.gateway.checkpoint import HEARD, Checkpoint, drop_unheard, open_checkpoint

TINY = ROOT / "tests" / "data" / "personaplex"
VOICE = "NOISE"
STORED_STEPS = 16
"""Depth steps in the published file."""


@dataclass(frozen=True, slots=True)
class RandomCheckpoint(Checkpoint):
    """The text tokenizer is the tiny checkpoint's, whose ids are all valid in the 7B."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def stored_dtype(self) -> torch.dtype:
        return torch.bfloat16

    def load_lm(self, device: torch.device, dtype: torch.dtype, *, context: int | None = None) -> LMModel:
        """On this checkpoint's own device, whatever `device` says: a file would pass through host memory, random numbers need not."""
        overrides = {} if context is None else {"context": context}
        kwargs = dict(self.lm_kwargs)
        with torch.no_grad():
            lm = loaders.get_moshi_lm(None, lm_kwargs=kwargs, device=self.device, dtype=dtype, lm_kwargs_overrides=overrides)
        drop_unheard(lm)
        return lm

    def load_mimi(self, device: torch.device, *, context: int | None = None) -> MimiModel:
        return loaders.get_mimi(None, dict(self.mimi_config), device=self.device, num_codebooks=HEARD)


def random_checkpoint(device: torch.device, *, tiny: bool) -> RandomCheckpoint:
    """The 7B's shapes, or the tiny checkpoint's."""
    if tiny:
        opened = open_checkpoint(TINY)
        return RandomCheckpoint(TINY, opened.lm_kwargs, opened.mimi_config, "tiny, random", device=device)
    lm_kwargs = {**loaders._lm_kwargs, "dep_q": STORED_STEPS}
    return RandomCheckpoint(TINY, lm_kwargs, loaders._mimi_config, "7B, random", device=device)


def write_voice(folder: Path, seconds: float) -> None:
    """A voice prompt of noise."""
    samples = np.random.default_rng(1).normal(0, 0.1, round(seconds * SAMPLE_RATE))
    soundfile.write(folder / f"{VOICE}.wav", samples, SAMPLE_RATE)
