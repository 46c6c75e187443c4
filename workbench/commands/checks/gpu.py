"""The GPUs of this machine."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from workbench.commands.checks.finding import Finding
from workbench.commands.gateway import INSTALL_MODEL
from workbench.settings import Settings


async def gpu(_settings: Settings) -> Finding:
    """What the driver's own tool says. torch is not imported: it would take seconds."""
    from workbench.engines.personaplex.gpus import GpuError, find_gpus

    torch = "torch is installed" if find_spec("torch") is not None else "torch is not installed"
    try:
        found = await asyncio.to_thread(find_gpus)
    except GpuError as error:
        return Finding("gpu", "warning", str(error), "nvidia-smi")
    if not found:
        told = f"No NVIDIA GPU here ({torch}); the classic engine needs none."
        return Finding("gpu", "warning", told, "PERSONAPLEX_URL=ws://GPU-MACHINE:8998 workbench serve")
    told = "; ".join(f"{gpu.name}, {gpu.used_mib} of {gpu.total_mib} MiB used" for gpu in found)
    if find_spec("torch") is None:
        return Finding("gpu", "warning", f"{told}; {torch}.", INSTALL_MODEL)
    return Finding("gpu", "ok", f"{told}; {torch}.")
