"""The proof of a sweep on the classic engine: a persona without one of its facts is found worse, an identical copy is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_sweep import Told

from evaluation.run_comparison import RunComparison, compare_run
from evaluation.run_folder import RunFolder
from evaluation.scenario_files import load_suite
from evaluation.sweep import Here, Plan, sweep
from workbench.assembly import assemble
from workbench.persona_library import PersonaLibrary
from workbench.personas import Persona
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr

SCENARIOS = Path(__file__).parents[1] / "data" / "tuning"
PRICE = "A basic service costs 45 dollars and takes two days. "
NORA = PersonaLibrary().get("customer-service")
TWIN = replace(NORA, persona_id="customer-service-twin")
POORER = replace(NORA, persona_id="customer-service-poorer", prompt=NORA.prompt.replace(PRICE, ""))
PERSONAS = (NORA, TWIN, POORER)

pytestmark = pytest.mark.slow


async def _sweep(run: Path, personas: tuple[Persona, ...]) -> Told:
    plan = Plan(suite="tuning", scenarios=load_suite(str(SCENARIOS)), personas=personas, engines=["classic"], seeds=[0])
    told = Told()
    with RunFolder(run).held() as folder:
        folder.copy_personas(personas)
        # Nobody speaks in these scenarios, so nothing is to be recognised; voice, responder and engine are the real ones.
        settings = Settings(
            data_dir=run.parent / "data", personas_dir=folder.personas, persona=NORA.persona_id, recording=False, turn_fixed_hold_ms=500
        )
        bench = await assemble(settings, recogniser=ScriptedAsr())
        try:
            await sweep(folder, plan, Here(bench, plan, folder.scratch), told)
        finally:
            await bench.close()
    return told


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunComparison:
    run = tmp_path_factory.mktemp("tuning") / "run"
    told = asyncio.run(_sweep(run, PERSONAS))
    assert [row["error"] for _name, row in told.rows if row["status"] != "done"] == []
    return compare_run(run, baseline=NORA.persona_id)


def test_the_persona_without_a_fact_is_found_worse(found: RunComparison) -> None:
    (recall,) = (
        finding for finding in found.comparison.findings if finding.measure.name == "fact_recall" and finding.second == POORER.persona_id
    )
    assert recall.scenarios >= found.comparison.scenarios_needed, "fewer scenarios could not show it"
    assert (recall.first_value, recall.second_value) == (1.0, 0.0)
    assert (recall.verdict, recall.winner) == ("better", NORA.persona_id)
    assert POORER.persona_id not in {finding.winner for finding in found.comparison.findings}


def test_the_identical_copy_is_not(found: RunComparison) -> None:
    twins = [finding for finding in found.comparison.findings if finding.second == TWIN.persona_id]
    assert len(twins) >= 8
    assert {finding.verdict for finding in twins} <= {"not shown", "unknown"}
