"""moshi's streaming states: a second state of one model, swapped in and out, and single rows cleared, read and written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from moshi.modules.streaming import StreamingModule
from moshi.modules.transformer import RingKVCache
from moshi.utils.compile import no_compile, no_cuda_graph

Module = StreamingModule[Any]
State = dict[str, Any]


@contextmanager
def eager() -> Iterator[None]:
    """No compilation and no graph capture: on a CPU, and for work whose shapes change from call to call."""
    with no_compile(), no_cuda_graph():
        yield


def separate_state(module: Module, rows: int) -> State:
    """A fresh streaming state of `rows` rows that is not in use. `module` must not be streaming."""
    with module.streaming(rows):
        return module.get_streaming_state()


@contextmanager
def swapped_in(module: Module, state: State) -> Iterator[None]:
    """Runs `module` on `state` for a while. `module` must be streaming on another one, which it goes on with."""
    own = module.get_streaming_state()
    module.set_streaming_state(state)
    try:
        yield
    finally:
        module.set_streaming_state(own)


def rings(state: State) -> list[RingKVCache]:
    """The key-value rings of all layers, in order. `cache` is [2, B, heads, capacity, head size]."""
    return [part.kv_cache for part in state.values() if getattr(part, "kv_cache", None) is not None]


def clear_row(module: Module, row: int) -> None:
    """Forgets everything of one row. Values are zeroed and not only masked: a masked NaN still spoils an attention's sum."""
    state = module.get_streaming_state()
    for part in state.values():
        for name in ("previous", "partial"):
            values = getattr(part, name, None)
            if values is not None:
                values[row] = 0
    for ring in rings(state):
        ring.cache[:, row] = 0
    first = next(iter(state.values()))
    mask = torch.zeros(first.batch_size, dtype=torch.bool, device=first.device)
    mask[row] = True
    module.reset_streaming(mask)


def read_row(state: State, row: int, positions: int) -> list[torch.Tensor]:
    """Copies of a row's keys and values, per layer [2, heads, min(positions, capacity), head size]."""
    return [ring.cache[:, row, :, :positions].clone() for ring in rings(state)]


def write_row(state: State, row: int, kept: list[torch.Tensor], positions: int) -> None:
    """Gives a cleared row keys and values of `positions` executed positions."""
    for ring, values in zip(rings(state), kept, strict=True):
        ring.cache[:, row, :, : values.shape[2]] = values
        ring.end_offset[row] = positions
    for part in state.values():
        for name in ("offset", "offsets"):
            count = getattr(part, name, None)
            if isinstance(count, torch.Tensor):
                count[row] = positions
