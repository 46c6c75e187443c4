"""Whether `workbench serve` starts a PersonaPlex gateway of its own, and with what."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import try_to_load_from_cache

from workbench.commands.common import CommandError
from workbench.commands.gateway import DEFAULT_CHECKPOINT, INSTALL_MODEL, missing_packages
from workbench.engines.personaplex.gpus import Gpu, GpuError, find_gpus
from workbench.settings import GATEWAY_AUTO, GATEWAY_OFF, Settings
from workbench.voice_shelf import shelf_dir

WEIGHTS_MIB = 18_000
"""Memory of the 7B model in bfloat16 with its codec, graphs and one state for prompts."""
TALK_MIB = 1_700
"""Memory of one talk's keys and values over 3000 frames."""
MOST_SLOTS = 8
"""More are not offered unasked: whether a card holds them in real time must be measured on it."""
ELSEWHERE = "PERSONAPLEX_URL=ws://GPU-MACHINE:8998 workbench serve"
ON_CPU = (
    "No CUDA device is here: the gateway runs on the CPU, where a 7B model is far from real time. It tells how long its step takes; "
    "talks need 80 ms."
)


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A gateway that can be started."""

    checkpoint: str
    device: Literal["cuda", "cpu"]
    slots: int
    why: str
    options: tuple[str, ...] = ()
    """More flags."""

    @property
    def command(self) -> tuple[str, ...]:
        """Of this Python, so that it runs without an installed script."""
        # Its lines become part of ours, whatever ours look like.
        flags = ("--checkpoint", self.checkpoint, "--device", self.device, "--slots", str(self.slots), "--log-format", "text")
        return (sys.executable, "-m", "workbench", "gateway", *flags, *self.options)


@dataclass(frozen=True, slots=True)
class NoGateway:
    """Why none is started, and the command that gets one."""

    reason: str
    repair: str


def plan_gateway(settings: Settings) -> GatewayPlan | NoGateway:
    """Looks at the setting, the GPU, the packages and the weights; takes up to some seconds where there is an NVIDIA driver.

    Raises CommandError when a gateway is asked for by name and cannot be had."""
    if settings.gateway not in (GATEWAY_AUTO, GATEWAY_OFF):
        return _asked_for(settings)
    if settings.personaplex_url is not None:
        return NoGateway("PERSONAPLEX_URL names another server.", "unset PERSONAPLEX_URL")
    if settings.gateway == GATEWAY_OFF:
        return NoGateway("No PersonaPlex address is configured, and WORKBENCH_GATEWAY is off.", ELSEWHERE)
    try:
        gpus = find_gpus()
    except GpuError as error:
        return NoGateway(f"No PersonaPlex address is configured, and the GPU cannot be used: {error}.", "nvidia-smi")
    if not gpus:
        return NoGateway("No PersonaPlex address is configured, and no CUDA device is here.", ELSEWHERE)
    here = f"{gpus[0].name} is here"
    if missing := missing_packages():
        return NoGateway(f"{here}, but {' and '.join(missing)} must be installed for the PersonaPlex model.", INSTALL_MODEL)
    cached = isinstance(try_to_load_from_cache(DEFAULT_CHECKPOINT, "model.safetensors"), str)
    if settings.hf_token is None and not cached:
        page = f"https://huggingface.co/{DEFAULT_CHECKPOINT}"
        return NoGateway(f"{here}, but not the weights, which are gated: accept the licence at {page}.", "HF_TOKEN=hf_... workbench serve")
    weights = "its weights are cached" if cached else "HF_TOKEN is set"
    return _plan(settings, DEFAULT_CHECKPOINT, gpus, f"{here} and {weights}.")


def _asked_for(settings: Settings) -> GatewayPlan:
    if settings.personaplex_url is not None:
        raise CommandError(f"Both a gateway here ({settings.gateway}) and PERSONAPLEX_URL are asked for; give one of them.")
    if missing := missing_packages():
        raise CommandError(f"The gateway {settings.gateway} needs {' and '.join(missing)}: {INSTALL_MODEL}")
    try:
        gpus = find_gpus()
    except GpuError as error:
        raise CommandError(f"{error}; mend the driver, or set CUDA_VISIBLE_DEVICES= to run the gateway on the CPU") from error
    return _plan(settings, settings.gateway, gpus, f"{gpus[0].name} is here." if gpus else ON_CPU)


def _plan(settings: Settings, checkpoint: str, gpus: list[Gpu], why: str) -> GatewayPlan:
    try:
        options = tuple(shlex.split(settings.gateway_options))
    except ValueError as error:
        raise CommandError(f"WORKBENCH_GATEWAY_OPTIONS cannot be read ({error}): {settings.gateway_options}") from error
    slots = settings.gateway_slots or (_slots_for(gpus) if gpus else 1)
    uploaded = ("--more-voices", str(shelf_dir(settings).resolve()))
    return GatewayPlan(checkpoint, "cuda" if gpus else "cpu", slots, why, (*uploaded, *options))


def _slots_for(gpus: list[Gpu]) -> int:
    """Talks for which the first card has memory free beside the 7B model."""
    return min(max((gpus[0].free_mib - WEIGHTS_MIB) // TALK_MIB, 1), MOST_SLOTS)
