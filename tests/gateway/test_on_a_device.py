"""What a CUDA graph may hold, proved without one: on the meta device every reach for the host is an error or is seen."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from moshi.models.lm import LMModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.generator import Generator
from workbench.gateway.memory import fit
from workbench.gateway.model import Model
from workbench.gateway.modes import PLAIN, MemoryMode
from workbench.gateway.ports import Ports
from workbench.gateway.sampling import ReferenceDraws, Sampling
from workbench.gateway.streams import eager

META = torch.device("meta")
ROWS = 3


class HostWatch(TorchDispatchMode):
    """Notes every operation that touches host memory: a copy from or to it waits for the device, and cannot be captured."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.touched: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        if any(isinstance(part, torch.Tensor) and part.device.type == "cpu" for part in tree_leaves((args, kwargs, result))):
            self.touched.append(str(func))
        return result


@pytest.mark.parametrize("mode", [PLAIN, MemoryMode("int8"), MemoryMode("int8", "fp8")], ids=str)
def test_a_pass_asks_nothing_of_the_host(tiny: Checkpoint, mode: MemoryMode) -> None:
    lm = tiny.empty_lm(torch.bfloat16)
    fit(lm, META, torch.bfloat16, mode)
    generator = Generator(lm, ROWS)
    user, active = torch.zeros(ROWS, 8, dtype=torch.long, device=META), torch.ones(ROWS, dtype=torch.bool, device=META)
    with torch.no_grad(), eager(), HostWatch() as watch:
        # Reading a value, or branching on one, raises on this device.
        results = generator._pass(user, active)
    generator.close()
    assert watch.touched == []
    assert watch.calls > 1_000
    assert [tuple(result.shape) for result in results] == [(ROWS, 17), (ROWS,), (ROWS,)]


def test_the_codec_asks_nothing_of_the_host(tiny: Checkpoint) -> None:
    mimi = tiny.empty_mimi()
    pcm, active = torch.zeros(ROWS, 1, 1920, device=META), torch.ones(ROWS, dtype=torch.bool, device=META)
    with torch.no_grad(), eager(), mimi.streaming(ROWS), HostWatch() as watch:
        mimi.set_exec_mask(active)
        assert mimi.decode(mimi.encode(pcm)).shape == (ROWS, 1, 1920)
    assert watch.touched == []


def test_the_references_draws_are_made_on_the_host_and_never_captured(tiny: Checkpoint) -> None:
    lm = tiny.empty_lm(torch.bfloat16)
    draws = ReferenceDraws(ROWS)
    draws.start(0, 1, Sampling(), 0)
    draws.begin([0])
    with HostWatch() as watch:
        draws.variates(0, torch.zeros(ROWS, 256, dtype=torch.long, device=META))
    assert watch.touched
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LMModel, "device", torch.device("cuda"))
        patch.setattr("workbench.gateway.generator.initial_tokens", lambda _lm: torch.zeros(17))
        patch.setattr(torch, "zeros", lambda *size, dtype=None, device=None: torch.empty(*size, dtype=dtype, device=META))
        patch.setattr(torch, "full", lambda size, _value, dtype=None, device=None: torch.empty(size, dtype=dtype, device=META))
        for given, captured in (({}, True), ({"draws": draws}, False), ({"capture": False}, False)):
            generator = Generator(lm, ROWS, **given)
            assert generator.capturing is captured
            generator.close()


def addresses(model: Model) -> list[int]:
    """Where everything lies that a captured pass reads or writes. The codec's resampling is between moshi's graphs and not in them: it
    makes its flags anew in every step, which is why a tick as a whole may not be captured."""
    found = []
    for state in (model.lm.transformer.get_streaming_state(), model.mimi.get_streaming_state()):
        for name, part in state.items():
            if name.startswith("downsample"):
                continue
            ring = getattr(part, "kv_cache", None)
            values = [*vars(part).values(), *(vars(ring).values() if ring is not None else ())]
            found += [value.data_ptr() for value in values if isinstance(value, torch.Tensor)]
    generator, ports = model.generator, model._ports
    for thing in (generator, generator.scripts, ports):
        found += [value.data_ptr() for value in vars(thing).values() if isinstance(value, torch.Tensor)]
    return found + [value.data_ptr() for value in itertools.chain(model.lm.parameters(), model.lm.buffers())]


def test_nothing_that_a_graph_knows_moves(model: Model) -> None:
    """Prompts, snapshots, joins, words, rollovers and leaving copy values into the same places."""
    model.warm_up()
    before = addresses(model)
    for number, name in enumerate(("TINYW0", "TINYF0_f32", "TINYW1")):
        snapshot = model.prefiller.run(model.prompt(model.find_voice(name), model.text_ids(f"You are number {number}.")))
        model.join(number, snapshot, Sampling(), number)
        model.generator.scripts.load(number, [10, 11], [True, False], lead=1, budget=1, tail=1)
        model.step(np.zeros((3, 1920), np.float32), [True, number > 0, False])
        model.generator.scripts.hold(number, 3)
        model.generator.replace(number, snapshot)
        model.generator.lead(number, model.generator.upcoming(number))
        model.step(np.zeros((3, 1920), np.float32), [True] * 3)
        model.generator.scripts.drop(number)
    for row in range(3):
        model.clear(row)
    assert addresses(model) == before


def test_ports_hand_out_what_is_the_callers_own() -> None:
    ports = Ports(2, torch.device("cpu"))
    pcm = np.random.default_rng(0).normal(size=(2, 1920)).astype(np.float32)
    ports.send(pcm, [True, False])
    assert ports.active.tolist() == [True, False]
    first, ticks = ports.fetch(ports.pcm, torch.tensor([1, 2]))
    np.testing.assert_array_equal(first, pcm)
    ports.send(2 * pcm, [False, True])
    second, _ticks = ports.fetch(ports.pcm, torch.tensor([3, 4]))
    np.testing.assert_array_equal(first, pcm)
    np.testing.assert_array_equal(second, 2 * pcm)
    assert ticks.tolist() == [1, 2]
