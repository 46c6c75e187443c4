"""What a prompt leaves in the model, kept so that a known persona is ready in one copy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after `positions` executed positions, before anything was sampled: no draw is ever frozen into it."""

    positions: int
    layers: list[torch.Tensor]
    """Keys and values per layer, [2, heads, min(positions, context), head size]."""
    hidden: torch.Tensor | None = None
    """[1, 1, dim], the normalised output of the last position; None where the prompt goes on."""
    tokens: torch.Tensor | None = None
    """[17], what is already known of position `positions`; -1 where it is still to be sampled."""

    @property
    def size_bytes(self) -> int:
        """Memory of the keys and values."""
        return sum(layer.numel() * layer.element_size() for layer in self.layers)


class Snapshots:
    """The most recently used snapshots, at most `limit_bytes` of them. Used by the owner thread only."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Hashable, Snapshot] = OrderedDict()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> Snapshot | None:
        """The snapshot of `key`, which becomes the most recent one; None when it is not (or no longer) there."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Hashable, snapshot: Snapshot) -> None:
        """Keeps it, letting the least recently used ones go. One that is larger than the limit is not kept."""
        if snapshot.size_bytes > self._limit_bytes:
            return
        old = self._kept.pop(key, None)
        self.held_bytes += snapshot.size_bytes - (old.size_bytes if old else 0)
        self._kept[key] = snapshot
        while self.held_bytes > self._limit_bytes:
            _key, dropped = self._kept.popitem(last=False)
            self.held_bytes -= dropped.size_bytes
