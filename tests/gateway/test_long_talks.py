"""Talks that outlast the attention window, with the real model and a small window."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
import torch
from visitors import enter, heard, make_ready

from workbench.audio.frames import Pcm
from workbench.gateway import owner as owner_module
from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.model import Frames, Model
from workbench.gateway.owner import Owner
from workbench.gateway.sampling import Sampling

CONTEXT = 72
TEXT = "Hi."
"""With a voice of 6 frames the prompt is 34 frames, so that a window lasts 35 frames."""


@pytest.fixture(scope="module")
def small(tiny: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """One row, so that all rows are taken while a new prompt is taken in."""
    folder = tmp_path_factory.mktemp("short_voice")
    soundfile.write(folder / "SHORT.wav", np.random.default_rng(1).normal(0, 0.1, 6 * 1920), 24_000)
    checkpoint = dataclasses.replace(tiny, lm_kwargs={**tiny.lm_kwargs, "context": CONTEXT})
    made = Model(checkpoint, rows=1, device=torch.device("cpu"), dtype=torch.float32, voices=folder)
    yield made
    made.close()


@pytest.mark.slow
def test_thirty_rollovers_without_gap_or_repeat(small: Model, user: Pcm, tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model is never silent, so its silence is scripted: a hold, and ears that hear nothing."""
    monkeypatch.setattr(owner_module, "is_audible", lambda _pcm: False)
    steps: list[Frames] = []
    step = small.step
    monkeypatch.setattr(small, "step", lambda *arguments: steps.append(step(*arguments)) or steps[-1])
    owner = Owner(small)
    seat = enter(owner, voice="SHORT", text=TEXT, sampling=Sampling(), seed=1)
    make_ready(owner)
    assert seat.row is not None
    pushed = 0
    while seat.rollover.done < 30:
        if pushed % 8 == 0:
            owner.hold(seat, 5)
        seat.take(user[pushed % len(user)])
        owner.tick()
        if owner.preparing:
            owner.prepare_next()
        pushed += 1
        assert small.generator.positions[seat.row] < CONTEXT, "the prompt would fall out of the window"
    assert len(heard(seat).pcm) == pushed
    assert seat.rollover.forced < 30
    # One uninterrupted decoder gives the same sound from the same codes: nothing was reset, left out or said twice.
    mimi = tiny.load_mimi(torch.device("cpu"))
    with torch.no_grad(), mimi.streaming(1):
        codes = [torch.from_numpy(frames.tokens[seat.row, None, 1:9, None]) for frames in steps]
        whole = torch.cat([mimi.decode(code) for code in codes], dim=-1)[0, 0].numpy()
    np.testing.assert_allclose(np.concatenate(heard(seat).pcm), whole, atol=1e-5)
    owner.end_all("closed", "")


def test_without_silence_it_is_forced_in_time(small: Model, user: Pcm) -> None:
    owner = Owner(small)
    seat = enter(owner, voice="SHORT", text=TEXT)
    make_ready(owner)
    for number in range(50):
        seat.take(user[number])
        owner.tick()
        if owner.preparing:
            owner.prepare_next()
    notices = [data for kind, data in heard(seat).notices if kind == "rolled_over"]
    assert [notice["forced"] for notice in notices] == [True]
    assert len(heard(seat).pcm) == 50
    owner.end_all("closed", "")


def test_an_account_that_is_too_long_is_refused_and_the_talk_goes_on(small: Model, user: Pcm) -> None:
    owner = Owner(small)
    seat = enter(owner, voice="SHORT", text=TEXT)
    seat.rollover.account = "a long story " * 50
    make_ready(owner)
    for number in range(45):
        seat.take(user[number])
        owner.tick()
        if owner.preparing:
            owner.prepare_next()
    kinds = [kind for kind, _data in heard(seat).notices]
    assert kinds == ["account_refused", "rolled_over"]
    assert seat.live
    owner.end_all("closed", "")
