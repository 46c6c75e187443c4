"""The shipped suite `core`: enough of every kind, clips that may be passed on, and talks that tell a good agent from a bad one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import get_args

import pytest
import pytest_asyncio

from evaluation.expectations import judge
from evaluation.hold import hold
from evaluation.scenario import Category, Clip, Scenario
from evaluation.scenario_files import SCENARIOS, load_suite
from workbench.assembly import Workbench, assemble
from workbench.clock import FastClock, fixed
from workbench.settings import Settings
from workbench.testing.talks import CHARGES

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    folder = tmp_path_factory.mktemp("suite")
    settings = Settings(data_dir=folder, asr="pocketsphinx", test_engines=True, personas_dir=None, _env_file=None)  # type: ignore[call-arg]
    made = await assemble(settings)
    yield made
    await made.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "persona", "engine", "failed"),
    [
        ("service-price", "customer-service", "classic", []),
        ("tool-time", "assistant", "classic", []),
        # It repeats the user, so it talks at once and knows nothing.
        ("service-price", "customer-service", "echo", ["answers ask", "says ask"]),
    ],
)
async def test_a_good_answer_is_told_from_a_bad_one(
    bench: Workbench, suite: list[Scenario], name: str, persona: str, engine: str, failed: list[str]
) -> None:
    """Heard, answered and spoken by the parts that a fresh installation has. Charges are fixed: a busy machine changes no verdict."""
    (scenario,) = (scenario for scenario in suite if scenario.id == name)

    held = await hold(bench, scenario, persona=persona, engine=engine, seed=1, clock=FastClock(fixed(CHARGES)))

    assert [verdict.name for verdict in judge(scenario, held) if not verdict.passed] == failed
