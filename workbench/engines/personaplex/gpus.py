"""The NVIDIA GPUs of this machine, asked of the driver's own tool: importing torch for it would take seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits")
SMI_TIMEOUT_S = 10.0


class GpuError(Exception):
    """The driver's tool is there and does not work. The message says what it said."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device; memory in MiB."""

    name: str
    total_mib: int
    used_mib: int

    @property
    def free_mib(self) -> int:
        return self.total_mib - self.used_mib


def find_gpus() -> list[Gpu]:
    """Those that a program started here may use, none without a driver. Takes up to some seconds. Raises GpuError."""
    if shutil.which(NVIDIA_SMI[0]) is None or _hidden():
        return []
    try:
        told = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=True).stdout
        return [_read(line) for line in told.splitlines() if line.strip()]
    except subprocess.CalledProcessError as error:
        raise GpuError(f"nvidia-smi failed: {' '.join((error.stderr or error.stdout).split()) or error}") from error
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise GpuError(f"nvidia-smi failed: {error}") from error


def _hidden() -> bool:
    """CUDA is told to show no device."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")


def _read(line: str) -> Gpu:
    name, total, used = line.rsplit(",", 2)
    return Gpu(name.strip(), int(total), int(used))
