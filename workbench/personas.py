"""Persona files: `personas/<id>.md`, YAML front matter and the prompt as body.

---
name: MYCA
voice: NATF2
role: assistant
tools: ["*"]
sampling: {text_temperature: 0.7}
---
You are MYCA ...
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from workbench import prompt_guide
from workbench.prompt_guide import PROMPT_CHARS, LintFinding

PERSONA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
FILE_BYTES = 64 * 1024
"""A persona file larger than this is refused unread."""


_SENTENCE_END = re.compile(r"(?<=[.!?]) +")


class PersonaError(Exception):
    """A persona is not there or its file is wrong. The message names the value and the mend."""


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


class _Sampling(BaseModel):
    """The sampling values the PersonaPlex protocol has names for; a top-k of 0 or a temperature of 0 is greedy."""

    model_config = ConfigDict(extra="forbid")
    text_temperature: float | None = Field(default=None, ge=0, le=5)
    text_topk: float | None = Field(default=None, ge=0, le=100_000)
    audio_temperature: float | None = Field(default=None, ge=0, le=5)
    audio_topk: float | None = Field(default=None, ge=0, le=100_000)


_ToolName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$")]


class _FrontMatter(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    name: str = Field(pattern=r"^[^\r\n]{1,80}$")
    voice: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$")
    role: str = Field(pattern=r"^[a-z0-9_]{1,48}$")
    tools: list[_ToolName] = []
    sampling: _Sampling = _Sampling()


def check_id(persona_id: str) -> str:
    """`persona_id` itself when it can be one; PersonaError otherwise. Nothing else may become a file name."""
    if PERSONA_ID.fullmatch(persona_id) is None:
        raise PersonaError(f"{persona_id[:60]!r} is not a persona id: use 1 to 48 lower-case letters, digits and hyphens.")
    return persona_id


def parse(persona_id: str, text: str) -> Persona:
    """The persona that a file's text describes. Raises PersonaError naming the key that is wrong."""
    check_id(persona_id)
    found = re.match(r"\ufeff?---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)(.*)", text, re.DOTALL)
    if found is None:
        raise PersonaError(f"Persona {persona_id!r} has no front matter: begin the file with a line '---', the keys, and '---' again.")
    try:
        front = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an impossible date, a thousand brackets
        raise PersonaError(f"The front matter of persona {persona_id!r} is not YAML: {error}") from error
    if not isinstance(front, dict):
        raise PersonaError(f"The front matter of persona {persona_id!r} must be 'key: value' lines, not a {type(front).__name__}.")
    try:
        keys = _FrontMatter.model_validate(front)
    except ValidationError as error:
        known = ", ".join(_FrontMatter.model_fields)
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise PersonaError(f"The front matter of persona {persona_id!r} is wrong: {faults}. Known keys: {known}.") from error
    return Persona(
        persona_id=persona_id,
        name=keys.name,
        voice=keys.voice,
        role=keys.role,
        prompt="\n".join(found[2].splitlines()).strip(),
        tools=tuple(keys.tools),
        sampling=keys.sampling.model_dump(exclude_none=True),
    )


def render(persona: Persona) -> str:
    """The text of the persona's file; `parse` gives the same persona back."""
    front = {
        "name": persona.name,
        "voice": persona.voice,
        "role": persona.role,
        "tools": list(persona.tools),
        "sampling": dict(persona.sampling),
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120)}---\n{persona.prompt}\n"


def load(path: Path) -> Persona:
    """The persona of one file. Raises PersonaError when it cannot be read or is wrong."""
    try:
        if path.stat().st_size > FILE_BYTES:
            raise PersonaError(f"{path.name} is larger than {FILE_BYTES} bytes: a persona is a prompt of about {PROMPT_CHARS} characters.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PersonaError(f"{path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PersonaError(f"{path.name} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    return parse(path.stem, text)


def lint(persona: Persona) -> list[LintFinding]:
    """What will make this persona talk worse by the published prompting guide, the gravest first. Tools are checked where they are
    registered."""
    return prompt_guide.check(persona.role, persona.name, persona.prompt)


def diff(a: Persona, b: Persona) -> str:
    """Unified diff of two versions' files, empty when they talk alike. A prompt is one long line: its sentences are taken for lines."""
    before, after = (render(replace(one, prompt=_SENTENCE_END.sub("\n", one.prompt))).splitlines(keepends=True) for one in (a, b))
    first, second = (f"{one.persona_id}@{one.content_hash[:8]}" for one in (a, b))
    lines = difflib.unified_diff(before, after, first, second)
    return "".join(lines)
