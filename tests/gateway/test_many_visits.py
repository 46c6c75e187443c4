"""A thousand visitors come and go, and memory stays where it was."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch
from visitors import enter, make_ready

from workbench.audio.frames import Pcm
from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.model import Model
from workbench.gateway.owner import Owner
from workbench.gateway.sampling import Sampling
from workbench.gateway.say import make_line
from workbench.gateway.seat import Seat

CONTEXT = 96
VISITS = 1_000
TEXTS = ("Hi.", "Hello.", "Yes.", "No.", "Oh.")
ROOM_FOR_PROMPTS = 60_000
"""Bytes; a prompt of 40 positions is about 20 KB, so that prompts are also dropped and taken in again all the time."""
PYTHON_BLOCKS = VISITS * 4 // 5
"""How many more objects Python may hold after a thousand visits: 583 were seen in a worker whose own threads go on. A single small thing
that each visit leaves would be a thousand."""
PROCESS_BYTES = 8 << 20
"""The same for the process, with torch's memory in it. A visit's prompt that stays would be 20 MB in all."""


@dataclass
class Held:
    """What is in memory."""

    tensors: int
    blocks: int
    """Python's own small objects."""
    process: int
    """Bytes."""


@pytest.fixture(scope="module")
def small(tiny: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = tmp_path_factory.mktemp("short_voice")
    soundfile.write(folder / "SHORT.wav", np.random.default_rng(1).normal(0, 0.1, 6 * 1920), 24_000)
    checkpoint = replace(tiny, lm_kwargs={**tiny.lm_kwargs, "context": CONTEXT})
    made = Model(checkpoint, rows=2, device=torch.device("cpu"), dtype=torch.float32, voices=Path(folder), snapshot_bytes=ROOM_FOR_PROMPTS)
    yield made
    made.close()


def visit(owner: Owner, number: int, user: Pcm) -> Seat:
    """Some leave at once, some in mid-prompt, some in mid-word, most before or after a few frames."""
    seat = enter(owner, voice="SHORT", text=TEXTS[number // 10 % len(TEXTS)], seed=number, sampling=Sampling())
    match number % 10:
        case 0:
            owner.end(seat, "closed", "")
            return seat
        case 1:
            owner.prepare_next()
            owner.end(seat, "closed", "")
            return seat
    make_ready(owner)
    if number % 10 == 2:
        owner.say(seat, make_line(owner.model.tokenizer, "a", "one two three"))
    if number % 10 == 3:
        seat.rollover.account = "a talk"
    seat.take(user[number % len(user)])
    if number % 10 < 5:
        owner.tick()
    owner.end(seat, "idle" if number % 2 else "closed", "")
    return seat


@pytest.mark.slow
def test_a_thousand_joins_and_leaves(small: Model, user: Pcm) -> None:
    owner = Owner(small)

    def look() -> Held:
        gc.collect()
        tensors = sum(type(thing) is torch.Tensor for thing in gc.get_objects())
        return Held(tensors, sys.getallocatedblocks(), psutil.Process().memory_info().rss)

    for number in range(100):
        visit(owner, number, user)
    before = look()
    for number in range(VISITS):
        assert visit(owner, number, user).closed
    after = look()
    assert owner.rows == [None, None]
    assert not owner.waiting
    assert small.snapshots.held_bytes <= ROOM_FOR_PROMPTS
    assert after.tensors <= before.tensors + small.rows
    assert after.blocks - before.blocks < PYTHON_BLOCKS, (before, after)
    assert after.process - before.process < PROCESS_BYTES, (before, after)
