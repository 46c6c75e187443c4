from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.audio.frames import Pcm
from workbench.gateway.agreement import STREAMS, Tokens, as_table, compare, greedy_draws
from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.model import Model
from workbench.gateway.modes import MemoryMode
from workbench.gateway.snapshots import Snapshot

FRAMES = 25


@pytest.fixture(scope="module")
def small(tiny: Checkpoint, voice_folder: Path) -> Iterator[Model]:
    made = Model(tiny, rows=1, device=torch.device("cpu"), dtype=torch.float32, voices=voice_folder, mode=MemoryMode("int8", "fp8"))
    yield made
    made.close()


def prompted(model: Model) -> Snapshot:
    return model.prefiller.run(model.prompt(model.find_voice("TINYW1"), model.text_ids("Hello.")))


def test_a_model_agrees_with_itself(model: Model, user: Pcm) -> None:
    drawn = greedy_draws(model, prompted(model), list(user[:FRAMES]))
    again = greedy_draws(model, prompted(model), list(user[:FRAMES]), led_by=drawn)
    assert drawn.shape == (FRAMES, len(STREAMS))
    for each in compare(drawn, drawn, again):
        assert (each.frames, each.equal, each.first_difference, each.equal_led) == (FRAMES, 1.0, None, 1.0)


def test_what_is_drawn_is_what_is_said(model: Model, user: Pcm) -> None:
    """Row i of the tokens said holds text and codebook 0 of the draw before, and the delayed codebooks of its own."""
    drawn = greedy_draws(model, prompted(model), list(user[:FRAMES]))
    model.join(0, prompted(model))
    batch = np.zeros((model.rows, 1920), np.float32)
    said = []
    for frame in user[:FRAMES]:
        batch[0] = frame
        said.append(model.step(batch, [True, False, False]).tokens[0, :9])
    model.clear(0)
    np.testing.assert_array_equal(np.stack(said)[1:, :2], drawn[:-1, :2])
    np.testing.assert_array_equal(np.stack(said)[:, 2:], drawn[:, 2:])


def test_on_the_same_history_a_rounded_model_says_nearly_the_same(model: Model, small: Model, user: Pcm) -> None:
    frames = list(user[:FRAMES])
    full = greedy_draws(model, prompted(model), frames)
    found = compare(full, greedy_draws(small, prompted(small), frames), greedy_draws(small, prompted(small), frames, led_by=full))
    text, first = found[0], found[1]
    assert text.equal_led >= 0.9
    assert first.equal_led >= 0.7
    assert sum(each.equal_led for each in found) > 2 * sum(each.equal for each in found), "alone it soon talks about other things"


def test_the_table() -> None:
    full: Tokens = np.zeros((4, 9), np.int64)
    own, led = full.copy(), full.copy()
    own[2:, 3], led[1, 0] = 1, 7
    lines = as_table(compare(full, own, led)).splitlines()
    assert lines[2] == "| text | 4 | 100.0 | none | 75.0 |"
    assert lines[5] == "| agent 2 | 4 | 50.0 | 2 | 100.0 |"
    assert len(lines) == 2 + 9
