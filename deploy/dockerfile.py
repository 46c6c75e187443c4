"""A Dockerfile's instructions, read for the rehearsal and the tests."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, such as `RUN` and what follows it."""

    kind: str
    text: str
    stage: int
    """Number of the FROM that it belongs to, from 0."""

    @property
    def words(self) -> list[str]:
        """The exec form's list, or the shell form's words."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


def read(path: Path) -> list[Step]:
    """The instructions in their order, comments left out and broken lines joined."""
    found: list[Step] = []
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    joined = "\n".join(line for line in lines if line and not line.startswith("#")).replace("\\\n", " ")
    stage = -1
    for line in joined.splitlines():
        kind, _space, text = line.partition(" ")
        stage += kind == "FROM"
        found.append(Step(kind, text.strip(), stage))
    return found


def copied(step: Step) -> tuple[Sequence[str], str] | None:
    """Sources in the build context and the target of a COPY; None for one out of another stage."""
    words = [word for word in step.words if not word.startswith("--chown")]
    return None if words[0].startswith("--from") else (words[:-1], words[-1])


def variables(steps: Sequence[Step]) -> dict[str, str]:
    """What the last stage's ENV instructions set."""
    last = steps[-1].stage
    pairs = [word.partition("=") for step in steps if step.kind == "ENV" and step.stage == last for word in step.words]
    return {name: value for name, _is, value in pairs}
