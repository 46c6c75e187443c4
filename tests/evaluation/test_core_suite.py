"""The shipped suite `core`: enough of every kind, and clips that may be passed on."""

from __future__ import annotations

import json
from collections import Counter
from typing import get_args

import pytest

from evaluation.scenario import Category, Clip, Scenario
from evaluation.scenario_files import SCENARIOS, load_suite

CLIPS = SCENARIOS / "core" / "clips"
SCENARIOS_AT_LEAST = 24
OF_EACH_AT_LEAST = 3
CLIPS_MAX_BYTES = 1_500_000


@pytest.fixture(scope="module")
def suite() -> list[Scenario]:
    return load_suite("core")


def test_enough_of_every_kind(suite: list[Scenario]) -> None:
    count = Counter(scenario.category for scenario in suite)

    assert len(suite) >= SCENARIOS_AT_LEAST
    assert {kind: count[kind] for kind in get_args(Category) if count[kind] < OF_EACH_AT_LEAST} == {}


def test_every_clip_has_a_licence_and_a_use(suite: list[Scenario]) -> None:
    manifest = {row["file"]: row for row in json.loads((CLIPS / "manifest.json").read_text("utf-8"))}
    used = {step.clip.removeprefix("clips/") for scenario in suite for step in scenario.user if isinstance(step, Clip)}

    assert used == set(manifest) == {path.name for path in CLIPS.glob("*.flac")}
    assert [name for name, row in manifest.items() if not (row["licence"] and row["source"] and row["transcript"])] == []
    assert sum(path.stat().st_size for path in CLIPS.glob("*.flac")) < CLIPS_MAX_BYTES


def test_the_table_of_the_readme_is_the_suite(suite: list[Scenario]) -> None:
    rows = [line.split("|")[1:4] for line in (SCENARIOS / "README.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    told = [(name.strip().strip("`"), category.strip(), about.strip()) for name, category, about in rows]

    assert told == [(scenario.id, scenario.category, scenario.about) for scenario in suite]
