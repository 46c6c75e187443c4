"""The NVIDIA GPUs of this machine, asked of the driver's own tool: importing torch for it would take seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

FIELDS = "name,memory.total,memory.used,driver_version,compute_cap"
NVIDIA_SMI = ("nvidia-smi", f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits")
SMI_TIMEOUT_S = 10.0


class GpuError(Exception):
    """The driver's tool is there and does not work. The message says what it said."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device; memory in MiB."""

    name: str
    total_mib: int
    used_mib: int
    driver: str = "unknown"
    """Version of the driver, such as 570.86.10."""
    compute: tuple[int, int] | None = None
    """Compute capability; None when it is not told."""

    @property
    def free_mib(self) -> int:
        return self.total_mib - self.used_mib


def find_gpus() -> list[Gpu]:
    """Those that a program started here may use, none without a driver. Takes up to some seconds. Raises GpuError."""
    if shutil.which(NVIDIA_SMI[0]) is None or hidden():
        return []
    try:
        told = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise GpuError(f"nvidia-smi failed: {' '.join((error.stdout + error.stderr).split()) or error}") from error
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise GpuError(f"nvidia-smi failed: {error}") from error
    return [_read(line) for line in told.splitlines() if line.strip()]


def hidden() -> bool:
    """CUDA is told to show no device."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")


def _read(line: str) -> Gpu:
    try:
        name, total, used, driver, compute = (part.strip() for part in line.rsplit(",", 4))
        return Gpu(name, int(total), int(used), driver, _compute(compute))
    except ValueError as error:
        raise GpuError(f"nvidia-smi failed: it was asked for {FIELDS} and told {line.strip()[:200]!r}") from error


def _compute(told: str) -> tuple[int, int] | None:
    if told.strip("[]") in ("N/A", "Not Supported", "Unknown Error"):
        return None
    major, _dot, minor = told.partition(".")
    return int(major), int(minor)
