"""The model's memory: what a mode would need, told before anything is loaded, and what it takes, counted from the tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import psutil
import torch
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel
from moshi.modules.streaming import StreamingModule
from moshi.modules.transformer import RingKVCache
from torch import nn

from workbench.audio.frames import FRAME_SAMPLES
from workbench.gateway.checkpoint import Checkpoint, CheckpointError, drop_unheard
from workbench.gateway.kv_cache import type_rings
from workbench.gateway.modes import MemoryMode
from workbench.gateway.offload import LayerStream, buffers_for, offload, packed_size
from workbench.gateway.quantize import quantise
from workbench.gateway.streams import eager

MIB = 2**20
GIB = 2**30
CPU = torch.device("cpu")
META = torch.device("meta")
CUDA_BESIDES_BYTES = 1 * GIB
"""Estimate of what CUDA takes beside the tensors: its context, cuBLAS's workspaces, the captured graphs' intermediate results."""
REDUCED_CONTEXT = 1_500
"""Positions (120 s), half of PersonaPlex's own window."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of tensors."""

    weights: int
    """Of the language model, on the device; with offload the buffers that its layers pass through are in it."""
    host_weights: int
    """Of the layers that stay in host memory."""
    codec: int
    kv_slot: int
    """Keys and values of one talk."""
    codec_slot: int
    """What the codec remembers of one talk."""
    passing: int
    """What is held for a moment: a layer's keys and values, or a weight, in the model's own type."""
    slots: int

    @property
    def device(self) -> int:
        """All of it that is on the device. There is one more set of keys and values, in which prompts are taken in."""
        return self.weights + self.codec + (self.slots + 1) * self.kv_slot + self.slots * self.codec_slot + self.passing

    def lines(self, device: torch.device) -> list[str]:
        """For people. On CUDA with what torch has allocated and reserved."""
        told = [
            f"weights {_told(self.weights)}, codec {_told(self.codec)}",
            f"keys and values {_told(self.kv_slot)} a slot, codec's state {_told(self.codec_slot)} a slot, {self.slots} slots",
        ]
        told += [f"layers in host memory {_told(self.host_weights)}"] if self.host_weights else []
        if device.type == "cuda":
            allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
            told.append(f"CUDA: {_told(allocated)} allocated, {_told(reserved)} reserved")
        return told


def fit(lm: LMModel, device: torch.device, dtype: torch.dtype, mode: MemoryMode) -> LayerStream | None:
    """Brings a loaded `lm`, not streaming, into `mode` and onto `device`. Gives the stream of its layers when they are offloaded."""
    if mode.weights == "int8":
        quantise(lm, CPU if mode.cpu_offload else device, dtype)
    if mode.weights != "full" or mode.kv != "full":
        type_rings(lm, mode.kv, dtype)
    lm.to(dtype=dtype)
    if mode.cpu_offload:
        return offload(lm, device)
    lm.to(device=device)
    return None


def load_fitted(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, mode: MemoryMode, *, context: int
) -> tuple[LMModel, LayerStream | None]:
    """The language model in `mode`. Only what stays on the device is ever there as a whole. Raises CheckpointError."""
    if mode.weights == "full" and not mode.cpu_offload:
        lm = checkpoint.load_lm(device, dtype, context=context)
    else:
        lm = checkpoint.load_lm(CPU, checkpoint.stored_dtype if mode.weights == "int8" else dtype, context=context)
    return lm, fit(lm, device, dtype, mode)


def measure(lm: LMModel, mimi: MimiModel, slots: int, stream: LayerStream | None = None) -> Memory:
    """Counts the tensors of a model whose parts are streaming with `slots` rows."""
    rings = held_bytes(_state_tensors(lm.transformer))
    return Memory(
        weights=held_bytes(chain(_weights(lm), stream.buffers if stream else ())),
        host_weights=held_bytes(stream.host) if stream else 0,
        codec=held_bytes(_weights(mimi)),
        kv_slot=rings // slots,
        codec_slot=held_bytes(_state_tensors(mimi)) // slots,
        passing=0,
        slots=slots,
    )


def predict(checkpoint: Checkpoint, slots: int, dtype: torch.dtype, mode: MemoryMode) -> Memory:
    """What `mode` needs, counted on a model without memory of its own, built as the real one is."""
    lm = checkpoint.empty_lm(dtype, context=mode.context)
    mimi = checkpoint.empty_mimi()
    with lm.transformer.streaming(1):
        layer_full = held_bytes(_state_tensors(lm.transformer)) // len(lm.transformer.layers)
    stored = held_bytes(_weights(lm))
    drop_unheard(lm)
    widest = max(child.weight.numel() for child in lm.modules() if isinstance(child, nn.Linear)) * dtype.itemsize
    fit(lm, META, dtype, replace(mode, cpu_offload=False))
    with torch.no_grad(), eager(), lm.transformer.streaming(1), mimi.streaming(1):
        # The codec works its codebooks out when they are first used.
        mimi.decode(mimi.encode(torch.zeros(1, 1, FRAME_SAMPLES, device=META)))
        found = measure(lm, mimi, 1)
    passing = (widest if mode.weights == "int8" else 0) + (slots * layer_full if mode.kv == "fp8" else 0)
    if mode.weights == "full" and not mode.cpu_offload:
        # The depth steps that are never heard are in the file and go after loading, before the slots take their place.
        passing = max(passing, stored - found.weights - (slots + 1) * found.kv_slot)
    found = replace(found, passing=passing, slots=slots)
    if not mode.cpu_offload:
        return found
    layers = lm.transformer.layers
    one = packed_size(layers[0])
    resident = found.weights - held_bytes(_weights(layers)) + one * buffers_for(len(layers))
    return replace(found, weights=resident, host_weights=one * len(layers))


def room_left(checkpoint: Checkpoint, slots: int, device: torch.device, dtype: torch.dtype, mode: MemoryMode) -> int:
    """Bytes that stay free on `device`. Raises CheckpointError, with the mode that would fit, when there are too few."""
    free = free_bytes(device)
    memory = predict(checkpoint, slots, dtype, mode)
    needed = _needed(memory, device)
    if needed > free:
        advice = _advice(checkpoint, slots, device, dtype, mode, free)
        wanted = f"{checkpoint.name} with {slots} slots ({mode})"
        raise CheckpointError(f"{wanted} needs {needed / GIB:.1f} GiB on {device}, {free / GIB:.1f} GiB are free; {advice}")
    if memory.host_weights and device.type == "cuda":
        _check_host(memory.host_weights, int(checkpoint.lm_kwargs["num_layers"]))
    return free - needed


def free_bytes(device: torch.device) -> int:
    """Memory of `device` that can be had now, with what torch holds of it and does not use."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def device_memory(device: torch.device) -> dict[str, int] | None:
    """`used_mib` and `total_mib` of a CUDA device, by whomever it is used; None of any other device, whose memory nobody gave to us."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return {"used_mib": (total - free) // MIB, "total_mib": total // MIB}


def held_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Memory behind `tensors`, each storage counted once and as a whole, also where only a part of it is shown."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _needed(memory: Memory, device: torch.device) -> int:
    if device.type == "cuda":
        return memory.device + CUDA_BESIDES_BYTES
    return memory.device + memory.host_weights


def _check_host(weights: int, layers: int) -> None:
    """Raises CheckpointError when the layers do not fit into host memory, page-locked: torch rounds each block up to a power of two."""
    needed, free = layers * (1 << (weights // layers - 1).bit_length()), free_bytes(CPU)
    if needed > free:
        told = f"--cpu-offload needs {needed / GIB:.1f} GiB of host memory, {free / GIB:.1f} GiB are free"
        raise CheckpointError(f"{told}; close other programs, or add --weights int8, which halves it")


def _advice(checkpoint: Checkpoint, slots: int, device: torch.device, dtype: torch.dtype, mode: MemoryMode, free: int) -> str:
    smaller = replace(mode, weights="int8"), replace(mode, weights="int8", kv="fp8")
    shorter = replace(smaller[1], context=min(REDUCED_CONTEXT, mode.context or checkpoint.context))
    for other in (*smaller, shorter, replace(shorter, cpu_offload=True)):
        needed = _needed(predict(checkpoint, slots, dtype, other), device)
        if needed <= free and other != mode:
            return f"{other.flags()} would need {needed / GIB:.1f} GiB"
    one, two = (_needed(predict(checkpoint, count, dtype, mode), device) for count in (1, 2))
    fitting = 1 + (free - one) // (two - one)
    return f"--slots {fitting} would fit" if 0 < fitting < slots else "close other programs, or take a device with more memory"


def _weights(module: nn.Module) -> Iterator[torch.Tensor]:
    return chain(module.parameters(), module.buffers())


def _state_tensors(module: StreamingModule[Any]) -> Iterator[torch.Tensor]:
    for part in module.get_streaming_state().values():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor):
                yield value
            elif isinstance(value, RingKVCache):
                yield from (value.cache, value.end_offset)


def _told(count: int) -> str:
    return f"{count / GIB:.2f} GiB" if count >= GIB // 100 else f"{count / 2**20:.2f} MiB"
