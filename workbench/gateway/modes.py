"""How the model's memory is kept small: the choices, checked. What each of them costs is measured in `memory` and `agreement`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Weights = Literal["full", "int8"]
KvStore = Literal["full", "fp8"]

FOUR_BITS = ("int4", "4bit", "4-bit", "nf4", "fp4", "q4", "w4", "uint4", "awq", "gptq")
MIN_CONTEXT = 250
"""Positions (20 s). A prompt of voice and text is 60 to 180 of them and may take half of the window."""


class ModeError(ValueError):
    """A memory mode cannot be used. The message says why and what to take instead."""


@dataclass(frozen=True, slots=True)
class MemoryMode:
    """The defaults keep everything as the checkpoint has it."""

    weights: Weights = "full"
    """"int8": linear layers in 8 bits with one scale per output channel; embeddings, norms and arithmetic as before."""
    kv: KvStore = "full"
    """"fp8": keys and values as float8_e4m3fn, cast when they are read."""
    context: int | None = None
    """Positions (80 ms) that the attention reaches back; None = the checkpoint's. A talk that lasts longer is rolled over sooner."""
    cpu_offload: bool = False
    """The main transformer's layers stay in host memory and are copied to the device one by one, in every step."""

    def __str__(self) -> str:
        parts = [f"{self.weights} weights", f"{self.kv} keys and values"]
        parts += [f"context {self.context}"] if self.context is not None else []
        parts += ["layers in host memory"] if self.cpu_offload else []
        return ", ".join(parts)

    def flags(self) -> str:
        """The options that choose it."""
        parts = [] if self.weights == "full" else [f"--weights {self.weights}"]
        parts += [] if self.kv == "full" else [f"--kv {self.kv}"]
        parts += [] if self.context is None else [f"--context {self.context}"]
        parts += ["--cpu-offload"] if self.cpu_offload else []
        return " ".join(parts)


PLAIN = MemoryMode()


def choose_mode(*, weights: str = "full", kv: str = "full", context: int | None = None, cpu_offload: bool = False) -> MemoryMode:
    """A mode from the names that a user gives. Raises ModeError."""
    if weights.lower().replace("_", "-").startswith(FOUR_BITS):
        raise ModeError(f"--weights {weights}: 4 bits are known to break the coherence of what PersonaPlex says; take --weights int8")
    if weights not in get_args(Weights):
        raise ModeError(f"--weights is {weights!r}; choose {' or '.join(get_args(Weights))}")
    if kv not in get_args(KvStore):
        raise ModeError(f"--kv is {kv!r}; choose {' or '.join(get_args(KvStore))}")
    if context is not None and context < MIN_CONTEXT:
        raise ModeError(f"--context is {context}; give at least {MIN_CONTEXT} (20 s), for a prompt takes up to half of it")
    return MemoryMode("int8" if weights == "int8" else "full", "fp8" if kv == "fp8" else "full", context, cpu_offload)
