"""Where a tick's numbers pass between host and device: one asynchronous copy each way, and one wait."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from workbench.audio.frames import FRAME_SAMPLES, Pcm


class Ports:
    """Fixed places for what goes in and comes out. On CUDA the host's are pinned, so that nothing waits for the device before the results
    are asked for; an ordinary copy would wait for all that was asked of it before."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._device = device
        self._pinned = device.type == "cuda"
        self._pcm_in = torch.zeros(rows, FRAME_SAMPLES, pin_memory=self._pinned)
        self._active_in = torch.zeros(rows, dtype=torch.bool, pin_memory=self._pinned)
        self.pcm = torch.zeros(rows, FRAME_SAMPLES, device=device)
        """[B, 1920] the users' sound, on the device."""
        self.active = torch.zeros(rows, dtype=torch.bool, device=device)
        """[B] the rows that step, on the device."""
        self._out: list[torch.Tensor] = []

    def send(self, pcm: Pcm, active: list[bool]) -> None:
        """Puts a tick's input on its way. The one before must have been answered with `fetch`."""
        self._pcm_in.copy_(torch.from_numpy(pcm))
        self._active_in.copy_(torch.tensor(active))
        self.pcm.copy_(self._pcm_in, non_blocking=True)
        self.active.copy_(self._active_in, non_blocking=True)

    def fetch(self, *results: torch.Tensor) -> list[NDArray[Any]]:
        """The results on the host, the caller's own. Waits for the device once. Shapes and types are the same in every tick."""
        if not self._out:
            self._out = [torch.empty(result.shape, dtype=result.dtype, pin_memory=self._pinned) for result in results]
        for place, result in zip(self._out, results, strict=True):
            place.copy_(result, non_blocking=True)
        if self._pinned:
            torch.cuda.current_stream(self._device).synchronize()
        return [place.numpy().copy() for place in self._out]
