"""Persona files: `personas/<id>.md`, YAML front matter and the prompt as body."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Persona:
    """One version of one persona. Equal content has an equal hash, wherever it was loaded from."""

    persona_id: str
    """The file name without its ending: lower-case letters, digits and hyphens."""
    name: str
    """What the persona calls itself."""
    voice: str
    """The voice prompt, such as `NATF2`; an engine that has no such voice says which it took."""
    role: str
    """`assistant`, `customer_service` or `casual`: the kinds PersonaPlex was trained on."""
    prompt: str
    tools: tuple[str, ...] = ()
    """Names of the tools this persona may use; `*` stands for all."""
    sampling: Mapping[str, float] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) over everything that can change how the persona talks."""
        content = [self.name, self.voice, self.role, self.prompt, list(self.tools), dict(sorted(self.sampling.items()))]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
