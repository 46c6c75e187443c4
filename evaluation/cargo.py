"""What travels to a machine that holds cells: everything that makes a talk what it is, and nothing that is secret.

A worker has the installed package and its own environment. Secrets are read there, so each machine needs those that its talks use.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from evaluation.cell_rows import RunError
from evaluation.made_with import code, versions
from evaluation.scenario import Clip, Scenario
from evaluation.scenario_files import load_scenario
from evaluation.sweep import Charges, Plan
from evaluation.user_sound import babble_clips
from workbench.bridge.config import FILE as TOOLS_FILE
from workbench.personas import Persona, load, render
from workbench.settings import Settings

STAYS = frozenset({"data_dir", "db", "personas_dir", "persona", "tools_file", "recording", "host", "port", "log_level"})
"""Settings that each worker has its own of."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """Made by `pack`, the same for every cell of a sweep."""

    settings: Mapping[str, Any]
    """Those that are no secret, and that are not each machine's own."""
    tools: bytes
    """The tools' file; empty where there is none."""
    personas: Mapping[str, str]
    """The files by id."""
    suite: Mapping[str, bytes]
    """The scenarios' files and their clips, by their paths in the suite's folder."""
    hashes: Mapping[str, str]
    """Content hash of every persona by its id, and of every scenario by its file's name."""
    engines: Sequence[str]
    realtime: bool
    charges: Charges
    versions: Mapping[str, str | None]
    code: str
    token: str
    """Tells one sweep from another."""

    def differing(self) -> list[str]:
        """What the code and the packages of this process are not, as lines; a worker asks it of the cargo that it got."""
        here = versions()
        names = sorted({*here, *self.versions})
        other = [name for name in names if here.get(name) != self.versions.get(name)]
        told = [f"{name} is {here.get(name)} and was {self.versions.get(name)}" for name in other]
        return told if code() == self.code else [*told, "the code of workbench and evaluation is another"]


def pack(plan: Plan, settings: Settings) -> Cargo:
    """Raises RunError for a file that cannot be read, and for scenarios out of several folders."""
    folders = {scenario.folder for scenario in plan.scenarios}
    if len(folders) != 1:
        raise RunError(f"The scenarios lie in {len(folders)} folders; put them and their clips into one, so that it can travel.")
    tools = settings.tools_file or TOOLS_FILE
    try:
        return Cargo(
            settings=_open(settings),
            tools=tools.read_bytes() if settings.tools_file is not None or tools.is_file() else b"",
            personas={persona.persona_id: render(persona) for persona in plan.personas},
            suite={name: (plan.scenarios[0].folder / name).read_bytes() for name in _files(plan.scenarios)},
            hashes={
                **{persona.persona_id: persona.content_hash for persona in plan.personas},
                **{f"{scenario.id}.yaml": scenario.content_hash for scenario in plan.scenarios},
            },
            engines=tuple(plan.engines),
            realtime=plan.realtime,
            charges=plan.charges,
            versions=versions(),
            code=code(),
            token=secrets.token_hex(8),
        )
    except OSError as error:
        raise RunError(f"{error.filename} cannot be read ({error.strerror}), and every machine needs it.") from error


def _open(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in settings.model_dump().items() if name not in STAYS and not isinstance(value, SecretStr)}


def _files(scenarios: Sequence[Scenario]) -> list[str]:
    names = {f"{scenario.id}.yaml" for scenario in scenarios}
    names |= {step.clip for scenario in scenarios for step in scenario.user if isinstance(step, Clip)}
    if any(noise.kind == "babble" for scenario in scenarios for noise in scenario.noise):
        names |= {path.relative_to(scenarios[0].folder).as_posix() for path in babble_clips(scenarios[0].folder)}
    return sorted(names)


def unpack(cargo: Cargo, folder: Path) -> tuple[dict[str, Persona], dict[str, Scenario]]:
    """Writes personas, suite and tools' file below `folder`, and reads them back as any run reads them. Raises RunError where one is not
    what was packed, OSError."""
    for name, content in {
        **{f"personas/{persona_id}.md": text.encode() for persona_id, text in cargo.personas.items()},
        **{f"suite/{name}": content for name, content in cargo.suite.items()},
        "tools.toml": cargo.tools,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    personas = {persona_id: load(folder / "personas" / f"{persona_id}.md") for persona_id in cargo.personas}
    scenarios = {path.stem: load_scenario(path) for path in sorted((folder / "suite").glob("*.yaml"))}
    read = {
        **{persona_id: persona.content_hash for persona_id, persona in personas.items()},
        **{f"{scenario_id}.yaml": scenario.content_hash for scenario_id, scenario in scenarios.items()},
    }
    for name, wanted in cargo.hashes.items():
        if read.get(name) != wanted:
            raise RunError(f"{name} arrived as {str(read.get(name))[:8]}, and {wanted[:8]} was sent; it may have been changed meanwhile.")
    return personas, scenarios


def settings_of(cargo: Cargo, folder: Path) -> Settings:
    """The settings of the process that unpacked into `folder`; secrets are those of its environment and `.env`."""
    return Settings(
        **cargo.settings,
        data_dir=folder,
        db=str(folder / "workbench.duckdb"),
        personas_dir=folder / "personas",
        persona=next(iter(cargo.personas)),
        tools_file=folder / "tools.toml",
        recording=False,
    )
