"""Small run folders, written as the runner writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.personas import Persona, render


def save_persona(run: Path, persona: Persona) -> None:
    (run / "personas").mkdir(parents=True, exist_ok=True)
    (run / "personas" / f"{persona.persona_id}.md").write_text(render(persona), "utf-8")


def save_cell(
    run: Path,
    persona: Persona,
    scenario: str,
    said: Sequence[tuple[str, str]] = (),
    *,
    seed: int = 0,
    engine: str = "classic",
    status: str = "done",
    measures: Mapping[str, float | None] | None = None,
    **more: Any,
) -> str:
    """A row with turns of 1 s, one after the other; returns its name."""
    row = {
        "persona": persona.persona_id,
        "persona_hash": persona.content_hash,
        "engine": engine,
        "scenario": scenario,
        "scenario_hash": "0" * 64,
        "category": "service-role",
        "seed": seed,
        "status": status,
        "error": None,
        "session_id": "s",
        "ended_reason": "user_left",
        "wall_s": 0.1,
        "session_ms": 1_000.0 * len(said),
        "measures": dict(measures or {}),
        "verdicts": [],
        "missed": [],
        "turns": [
            {
                "speaker": speaker,
                "start_ms": 1_000.0 * number,
                "end_ms": 1_000.0 * number + 1_000,
                "text": text,
                "latency_ms": None,
                "interrupted": False,
            }
            for number, (speaker, text) in enumerate(said)
        ],
    }
    name = f"{persona.persona_id}--{engine}--{scenario}--{seed}"
    (run / "cells").mkdir(parents=True, exist_ok=True)
    (run / "cells" / f"{name}.json").write_text(json.dumps(row | more), "utf-8")
    return name
