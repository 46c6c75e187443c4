"""Layers in host memory: the weights of the main transformer's layers are copied to the device one layer ahead of the arithmetic."""

from __future__ import annotations

from itertools import chain

import torch
from moshi.models.lm import LMModel
from torch import nn

ALIGNMENT = 256
"""Bytes; tensors begin at multiples, as CUDA's own allocations do."""


class LayerStream:
    """Keeps `layers`, all alike, in host memory (pinned for a CUDA device), and shows each one on `device` while it runs.

    The layers' weights become views of a few buffers on the device, so everything else sees them there. While layer n runs, layer n + 1
    is copied into another buffer on a stream of its own. Two buffers do; a third one is needed when the count is odd, because the last
    layer and the first one of the next step would meet in one."""

    def __init__(self, layers: nn.ModuleList, device: torch.device) -> None:
        self._device = device
        self._count = len(layers)
        self._copying: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it open
        self._copied: list[torch.Event | None] = [None] * self._count
        size = packed_size(layers[0])
        self.buffers = [torch.empty(size, dtype=torch.uint8, device=device) for _ in range(buffers_for(self._count))]
        self.host = [torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda") for _ in layers]
        for index, layer in enumerate(layers):
            _move(layer, self.host[index], self._buffer(index))
            layer.register_forward_pre_hook(lambda _layer, _inputs, index=index: self._before(index))
        if self._copying is not None:
            self._fetch(0, self._copying)

    def _buffer(self, index: int) -> torch.Tensor:
        last_of_odd = self._count % 2 and index == self._count - 1
        return self.buffers[-1 if last_of_odd else index % 2]

    def _before(self, index: int) -> None:
        """Has layer `index` on the device, and the next one on its way."""
        if self._copying is None:
            self._buffer(index).copy_(self.host[index])
            return
        copied = self._copied[index]
        if copied is not None:
            copied.wait(torch.cuda.current_stream(self._device))
        following = (index + 1) % self._count
        if following != index:
            self._fetch(following, self._copying)

    def _fetch(self, index: int, copying: torch.cuda.Stream) -> None:
        """Copies after all that was asked of the device so far: the buffer's last layer is done by then."""
        copying.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(copying):
            self._buffer(index).copy_(self.host[index], non_blocking=True)
            copied = torch.Event(self._device)
            copied.record(copying)
        self._copied[index] = copied


def offload(lm: LMModel, device: torch.device) -> LayerStream:
    """Moves `lm`, which is in host memory, to `device`, but leaves its main transformer's layers behind and streams them."""
    layers = lm.transformer.layers
    lm.transformer.layers = nn.ModuleList()
    lm.to(device)
    lm.transformer.layers = layers
    return LayerStream(layers, device)


def _tensors(layer: nn.Module) -> list[torch.Tensor]:
    return list(chain(layer.parameters(), layer.buffers()))


def buffers_for(layers: int) -> int:
    """Buffers on the device for so many layers."""
    return min(layers, 2 + layers % 2)


def packed_size(layer: nn.Module) -> int:
    """Bytes of a layer with its tensors one behind the other."""
    return sum(_padded(tensor) for tensor in _tensors(layer))


def _padded(tensor: torch.Tensor) -> int:
    return -(-tensor.numel() * tensor.element_size() // ALIGNMENT) * ALIGNMENT


def _move(layer: nn.Module, host: torch.Tensor, buffer: torch.Tensor) -> None:
    """Packs the layer's tensors into `host` and lets them show the same places of `buffer`."""
    begin = 0
    for tensor in _tensors(layer):
        end = begin + tensor.numel() * tensor.element_size()
        host[begin:end].view(tensor.dtype).view(tensor.shape).copy_(tensor.detach())
        shown = buffer[begin:end].view(tensor.dtype).view(tensor.shape)
        tensor.data = shown
        begin += _padded(tensor)
