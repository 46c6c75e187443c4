"""`workbench evaluate lint`: personas against the published prompting guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.common import Json, load_settings, show, told_plainly
from workbench.persona_library import library_of
from workbench.personas import Persona, lint, load

FOUND_CODE = 1
"""Exit code where a persona has an error; warnings alone give 0."""


def lint_personas(
    personas: Annotated[list[str] | None, typer.Argument(help="Persona ids or files (*.md); all personas when none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Check prompts before a run: what the model was not trained on, what cannot be spoken, figures that contradict each other."""
    with told_plainly():
        library = library_of(load_settings())
        chosen: list[Persona] = [load(Path(name)) if name.endswith(".md") else library.get(name) for name in personas or ()]
        found = {persona.persona_id: lint(persona) for persona in chosen or library.list()}
        if as_json:
            rows = {
                name: [{"level": each.level, "code": each.code, "message": each.message} for each in findings]
                for name, findings in found.items()
            }
            show(json.dumps(rows, ensure_ascii=False))
        else:
            for name, findings in found.items():
                show(f"{name}: {len(findings) or 'nothing'} to say")
                for each in findings:
                    show(f"  {each.level} {each.code}: {each.message}")
        if any(each.level == "error" for findings in found.values() for each in findings):
            raise typer.Exit(FOUND_CODE)
