"""The attention's ring of keys and values, in a type of its own."""

from __future__ import annotations

from itertools import chain

import torch
from moshi.models.lm import LMModel
from moshi.modules.transformer import KVCacheResult, RingKVCache, StreamingMultiheadAttention, _MHAState

from workbench.gateway.modes import KvStore

FP8 = torch.float8_e4m3fn
FP8_MOST = torch.finfo(FP8).max
"""448. What lies beyond would become NaN."""


class Fp8Ring(RingKVCache):
    """moshi's ring with one byte per number, cast at reading. The bytes are kept as uint8: scattering float8 is not implemented.

    Three bits of mantissa: a number is off by up to 6 %, and by 0.001 where it is below 0.016. moshi's ring itself needs nothing for
    it but to be given bytes."""

    def __init__(self, rows: int, heads: int, head_size: int, capacity: int, *, device: torch.device, dtype: torch.dtype) -> None:
        """`dtype`: what keys and values are read as."""
        super().__init__(rows, heads, head_size, capacity, device=device, dtype=torch.uint8)
        self._dtype = dtype

    def complete(self, k: torch.Tensor, v: torch.Tensor, exec_mask: torch.Tensor) -> KVCacheResult:
        """Adds `k`, `v` [B, heads, T, head size]; gives all that is held, and its positions."""
        held = super().complete(pack(k), pack(v), exec_mask)
        return KVCacheResult(unpack(held.keys, self._dtype), unpack(held.values, self._dtype), held.positions)


def pack(values: torch.Tensor) -> torch.Tensor:
    """Float8 as bytes, the same shape. NaN stays NaN."""
    return values.clamp(-FP8_MOST, FP8_MOST).to(FP8).view(torch.uint8)


def unpack(packed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What `pack` gave, as numbers of type `dtype`."""
    return packed.view(FP8).to(dtype)


class TypedAttention(StreamingMultiheadAttention):
    """moshi's attention, whose ring takes its type from the model. moshi looks at the weights, and knows no int8 of ours."""

    ring_dtype: torch.dtype
    kv: KvStore

    def _init_streaming_state(self, batch_size: int) -> _MHAState:
        device = next(chain(self.parameters(), self.buffers())).device
        capacity = self.context or self.weights_per_step
        heads, head_size = self.num_heads // self.kv_repeat, self.embed_dim // self.num_heads
        if self.kv == "fp8":
            ring: RingKVCache = Fp8Ring(batch_size, heads, head_size, capacity, device=device, dtype=self.ring_dtype)
        else:
            in_step = not self.weights_per_step
            ring = RingKVCache(batch_size, heads, head_size, capacity, in_step, device=device, dtype=self.ring_dtype)
        return _MHAState(batch_size, device, ring, torch.zeros(batch_size, device=device, dtype=torch.long), 0)


def type_rings(lm: LMModel, kv: KvStore, dtype: torch.dtype) -> None:
    """Gives every attention of `lm` rings of the model's `dtype`, and those of the main transformer the `kv` store. A depth ring lives for
    one step and has eight positions; it is not worth packing. `lm` must not be streaming."""
    for part, store in ((lm.transformer, kv), (lm.depformer, "full")):
        for module in part.modules():
            if isinstance(module, StreamingMultiheadAttention):
                module.__class__ = TypedAttention
                module.__dict__.update(ring_dtype=dtype, kv=store)
