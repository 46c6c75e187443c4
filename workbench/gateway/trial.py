"""`python -m workbench.gateway.trial`: what this torch really does on the devices here, as one JSON object on standard output.

A process of its own, for `workbench doctor`: torch takes seconds to import, and a broken driver may end the process.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

SIZE = 1_024
"""Rows and columns of the trial's matrices."""


def trial() -> dict[str, Any]:
    """`torch`, `cuda` (the version it was built for, None for a CPU build), `fault` (why no device can be used, else None) and the
    `devices`, each with `name`, `fault` (None when a bfloat16 product came out right) and `ms` that the product took."""
    told: dict[str, Any] = {"torch": torch.__version__, "cuda": torch.version.cuda, "fault": None, "devices": []}
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        told["devices"] = [_device(torch.device("cuda", number)) for number in range(torch.cuda.device_count())]
    except (RuntimeError, AssertionError) as error:
        told["fault"] = " ".join(str(error).split())
    return told


def _device(device: torch.device) -> dict[str, Any]:
    began_s = time.perf_counter()
    try:
        multiply(device)
        fault = None
    except (RuntimeError, ArithmeticError) as error:
        fault = " ".join(str(error).split())
    return {"name": torch.cuda.get_device_name(device), "fault": fault, "ms": (time.perf_counter() - began_s) * 1_000}


def multiply(device: torch.device) -> None:
    """A product in bfloat16 whose every entry is known. Raises ArithmeticError when one is wrong, RuntimeError when it cannot be done."""
    ones = torch.ones(SIZE, SIZE, device=device, dtype=torch.bfloat16)
    wrong = int(((ones @ ones) != SIZE).sum().item())
    if wrong:
        raise ArithmeticError(f"a bfloat16 product has {wrong} wrong entries of {SIZE * SIZE}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(trial()) + "\n")
