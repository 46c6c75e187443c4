"""Weight-only int8: linear layers in 8 bits with one scale per output channel, multiplied out in the model's own type."""

from __future__ import annotations

import torch
from moshi.models.lm import LMModel
from torch import nn
from torch.nn.functional import linear

from workbench.gateway.checkpoint import CheckpointError

MOST = 127


class Int8Linear(nn.Module):
    """A linear layer without bias. `weight` [out, in] int8, `scale` [out] in the model's type.

    The scale is rounded to that type before the weights are divided by it, so that it adds no error of its own; whole numbers up to 256
    are exact in bfloat16. Everything happens on the device: a captured graph may hold it."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, weight: torch.Tensor, device: torch.device, dtype: torch.dtype) -> None:
        """`weight` [out, in] in any float type, on any device; `device`, `dtype`: where it goes, and the model's type."""
        super().__init__()
        self.register_buffer("weight", torch.empty(weight.shape, dtype=torch.int8, device=device))
        self.register_buffer("scale", torch.empty(len(weight), dtype=dtype, device=device))
        if device.type != "meta":
            self._fill(weight.detach().to(device=device, dtype=torch.float32))

    def _fill(self, exact: torch.Tensor) -> None:
        largest = exact.abs().amax(dim=1)
        self.scale.copy_(torch.where(largest == 0, 1.0, largest / MOST))
        self.weight.copy_((exact / self.scale.float()[:, None]).round_().clamp_(-MOST, MOST))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        return linear(x, self.weight.to(x.dtype)) * self.scale


def quantise(lm: LMModel, device: torch.device, dtype: torch.dtype) -> None:
    """Replaces the linear layers of `lm` by int8 ones on `device`, one after the other, so that only one is held twice.

    Raises CheckpointError when weights are not numbers, which 8 bits would hide."""
    for module in lm.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                packed = Int8Linear(child.weight, device, dtype)
                if device.type != "meta" and not torch.isfinite(packed.scale).all():
                    raise CheckpointError(f"weights of {name} are not numbers; the file is damaged, download it again")
                setattr(module, name, packed)
