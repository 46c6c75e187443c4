"""The GPUs of this machine: what the driver says of them, and what torch really does on them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from workbench.commands.checks.finding import Finding
from workbench.commands.gateway import INSTALL_MODEL, missing_packages
from workbench.commands.local_gateway import ELSEWHERE
from workbench.engines.personaplex.gpus import NVIDIA_SMI, Gpu, GpuError, find_gpus, hidden
from workbench.gateway.needs import fitting
from workbench.settings import Settings

BFLOAT16_FROM = (8, 0)
"""Compute capability (Ampere) from which a device computes in bfloat16, as the model does."""
TRIAL = (sys.executable, "-m", "workbench.gateway.trial")
TRIAL_TIMEOUT_S = 90.0
"""A first import of torch from a cold disk takes most of a minute."""
UPDATE_DRIVER = "sudo ubuntu-drivers install && sudo reboot"
MENDS = (
    ("version mismatch", "sudo reboot"),
    ("not a valid field", UPDATE_DRIVER),
    ("couldn't communicate", "sudo modprobe nvidia"),
)
"""What nvidia-smi says of a broken driver, and what mends it."""


async def gpu(_settings: Settings) -> list[Finding]:
    try:
        found = await asyncio.to_thread(find_gpus)
    except GpuError as error:
        mend = next((mend for said, mend in MENDS if said in str(error)), "sudo dmesg | grep -i nvrm")
        return [Finding("gpu", "warning", f"{error}.", mend)]
    if found:
        return [_card(number, card) for number, card in enumerate(found)]
    if shutil.which(NVIDIA_SMI[0]) is not None and hidden():
        return [Finding("gpu", "warning", "CUDA_VISIBLE_DEVICES hides every GPU.", "unset CUDA_VISIBLE_DEVICES")]
    return [Finding("gpu", "warning", "No NVIDIA driver is here; the classic engine needs none.", ELSEWHERE)]


def _card(number: int, card: Gpu) -> Finding:
    compute = "of unknown compute capability" if card.compute is None else f"compute capability {card.compute[0]}.{card.compute[1]}"
    told = f"{number}: {card.name}, {compute}, driver {card.driver}, {card.free_mib} of {card.total_mib} MiB free"
    if number > 0:
        return Finding("gpu", "ok", f"{told}; `workbench serve` uses the first one only.")
    if card.compute is not None and card.compute < BFLOAT16_FROM:
        old = f"{told}: too old for bfloat16, in which the model is computed (8.0 or newer is needed)."
        return Finding("gpu", "warning", old, ELSEWHERE)
    room = fitting(card.free_mib)
    if (room and room[0]) != ((whole := fitting(card.total_mib)) and whole[0]):
        used = f"{told}: {card.used_mib} MiB are in use, by a gateway that runs already or by others; empty it would hold more."
        return Finding("gpu", "warning", used, "nvidia-smi")
    if room is None:
        return Finding("gpu", "warning", f"{told}: too little for the 7B model in any memory mode.", ELSEWHERE)
    need, talks = room
    if need.mode.flags():
        less = f"{told}: too little for the full 7B model; with {need.mode.flags()} it has room for {talks} talks."
        return Finding("gpu", "warning", less, f"WORKBENCH_GATEWAY_OPTIONS='{need.mode.flags()}' workbench serve")
    return Finding("gpu", "ok", f"{told}: room for the full 7B model and {talks} talks; how many keep up must be measured on it.")


async def torch(_settings: Settings) -> list[Finding]:
    """Whether the installed torch computes on the GPUs that the driver shows. Without one it is not started."""
    try:
        cards = await asyncio.to_thread(find_gpus)
    except GpuError:
        cards = []
    if missing := missing_packages():
        told = f"Not installed: {' and '.join(missing)}"
        if cards:
            return [Finding("torch", "warning", f"{told}; the GPU here is of no use without.", INSTALL_MODEL)]
        return [Finding("torch", "ok", f"{told}; only a gateway on this machine needs it.")]
    if not cards:
        return [Finding("torch", "ok", f"torch {version('torch')} is installed; no GPU is here to try it on.")]
    tried = await asyncio.to_thread(_tried)
    return [tried] if isinstance(tried, Finding) else _told(tried)


def _told(tried: dict[str, Any]) -> list[Finding]:
    built = f"CUDA {tried['cuda']}" if tried["cuda"] else "no CUDA"
    build = f"torch {tried['torch']}, built for {built}"
    if tried["fault"] or not tried["devices"]:
        mend = UPDATE_DRIVER if tried["cuda"] else f"{INSTALL_MODEL} --reinstall-package torch"
        return [Finding("torch", "warning", f"{build}, can use no GPU: {tried['fault'] or 'it finds none'}", mend)]
    found = []
    for number, device in enumerate(tried["devices"]):
        if device["fault"]:
            found.append(Finding("torch", "warning", f"{build}, fails on {number}: {device['name']}: {device['fault']}", UPDATE_DRIVER))
        else:
            found.append(Finding("torch", "ok", f"{build}, made a bfloat16 product on {number}: {device['name']}.", ms=device["ms"]))
    return found


def _tried() -> Finding | dict[str, Any]:
    try:
        done = subprocess.run(TRIAL, capture_output=True, text=True, timeout=TRIAL_TIMEOUT_S, check=False)
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Finding("torch", "warning", f"torch did not come to an end within {TRIAL_TIMEOUT_S:g} s on the GPU.", UPDATE_DRIVER)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        told = f"torch ended with code {done.returncode}: {last}"
        return Finding("torch", "warning", told, f"{INSTALL_MODEL} --reinstall-package torch")
    return dict(told)
