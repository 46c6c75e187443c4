"""How far a smaller model says the same as the full one: both answer one recording greedily, and their tokens are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.gateway.checkpoint import HEARD
from workbench.gateway.model import Model
from workbench.gateway.sampling import GREEDY
from workbench.gateway.snapshots import Snapshot

STREAMS = ("text", *(f"agent {number}" for number in range(HEARD)))
"""The streams that a model draws."""

Tokens = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StreamAgreement:
    """One stream's share of equal tokens."""

    stream: str
    frames: int
    equal: float
    """Each model on its own history. After the first difference the two talk about different things, so it says little by itself."""
    first_difference: int | None
    """Frame; None = no difference."""
    equal_led: float
    """The smaller model on the full one's history: what it would draw next, frame by frame."""


def greedy_draws(model: Model, snapshot: Snapshot, user: list[Pcm], led_by: Tokens | None = None) -> Tokens:
    """What row 0 draws in each frame [F, 9]: text and agent codebooks, greedily. `led_by`: another model's draws, which are read in place
    of its own."""
    model.join(0, snapshot, GREEDY)
    batch = np.zeros((model.rows, FRAME_SAMPLES), dtype=np.float32)
    active = [row == 0 for row in range(model.rows)]
    drawn = []
    for number, frame in enumerate(user):
        batch[0] = frame
        model.step(batch, active)
        drawn.append(model.generator.upcoming(0).cpu().numpy())
        if led_by is not None:
            model.generator.lead(0, torch.from_numpy(led_by[number]).to(model.device))
    model.clear(0)
    return np.stack(drawn)


def compare(full: Tokens, own: Tokens, led: Tokens) -> list[StreamAgreement]:
    """The draws [F, 9] of the full model, and of the smaller one on its own history and on the full one's."""
    found = []
    for column, stream in enumerate(STREAMS):
        same = own[:, column] == full[:, column]
        first = None if same.all() else int(np.argmin(same))
        on_its_history = float((led[:, column] == full[:, column]).mean())
        found.append(StreamAgreement(stream, len(full), float(same.mean()), first, on_its_history))
    return found


def as_table(agreements: list[StreamAgreement]) -> str:
    """A Markdown table."""
    lines = ["| stream | frames | equal % ↑ | first differing frame ↑ | equal on the same history % ↑ |", "|---|---|---|---|---|"]
    for each in agreements:
        first = "none" if each.first_difference is None else each.first_difference
        lines.append(f"| {each.stream} | {each.frames} | {100 * each.equal:.1f} | {first} | {100 * each.equal_led:.1f} |")
    return "\n".join(lines)
