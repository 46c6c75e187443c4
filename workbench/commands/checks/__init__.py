"""What `workbench doctor` tries. Every finding comes of doing the thing, and every fault names the one command that mends it.

Each check imports what it tries by itself: a part that cannot even be imported is its finding, and no end of the others.
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.commands.checks import gpu, kept, machine, model, services, sound, turn
from workbench.commands.checks.finding import Check

ALONE: Mapping[str, Check] = {
    "python": machine.python,
    "audio": sound.audio,
    "end of turn": sound.end_of_turn,
    "recogniser": sound.recogniser,
    "voice": sound.voice,
    "personas": kept.personas,
    "disk": machine.disk,
    "database": kept.database,
    "gpu": gpu.gpu,
    "torch": gpu.torch,
    "weights": model.weights,
}
"""One after the other: they would disturb each other's timing."""

TOGETHER: Mapping[str, Check] = {
    "ports": machine.ports,
    "gateway": model.gateway,
    "vllm-omni": services.vllm_omni,
    "hugging face": model.hugging_face,
    "turn": turn.turn,
    "tools": services.tools,
    "language model": services.language_model,
}
"""All at once: they wait for a network."""
