"""`deploy/.env.example` has every variable, and nothing that is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from compose_file import ROOT, NotSet, rendered
from dotenv import dotenv_values

from deploy.env_example import REQUIRED, made, sections
from workbench.settings import Settings

FILE = ROOT / "deploy" / ".env.example"


def test_it_is_what_the_code_says() -> None:
    assert FILE.read_text("utf-8") == made(), "run: uv run python -m deploy.env_example > deploy/.env.example"


def test_every_setting_is_in_it_once() -> None:
    listed = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", made(), re.M)
    assert len(listed) == len(set(listed))
    assert {Settings.model_construct().variable(field) for field in Settings.model_fields} <= set(listed)
    assert {name for fields in sections().values() for name in fields} == set(Settings.model_fields)


def test_a_fresh_copy_starts_nothing_and_a_filled_one_does(tmp_path: Path) -> None:
    fresh = {name: value or "" for name, value in dotenv_values(FILE).items()}
    assert set(fresh) == set(REQUIRED), "only what must be set is no comment"
    assert not any(fresh.values())
    with pytest.raises(NotSet):
        rendered(fresh)
    rendered(dict.fromkeys(fresh, "x"))


def test_its_defaults_are_values_that_the_settings_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a # away gets what is there without the line."""
    for name, value in re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.+)$", made(), re.M):
        monkeypatch.setenv(name, value)
    assert Settings(_env_file=None) == Settings.model_construct()
