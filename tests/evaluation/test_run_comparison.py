"""A run's folder compared: what is read, what is told, and in which form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from run_files import save_cell, save_persona

from evaluation.cell_rows import RunError, read_cells
from evaluation.comparison_page import comparison_page
from evaluation.comparison_table import number, told
from evaluation.judge import messages
from evaluation.judgements import request_for
from evaluation.run_comparison import RunComparison, as_json, compare_run, verdict
from workbench.persona_library import PersonaLibrary

NORA = PersonaLibrary().get("customer-service")
TWIN = replace(NORA, persona_id="twin")
POORER = replace(NORA, persona_id="poorer", prompt=NORA.prompt.replace("A basic service costs 45 dollars and takes two days. ", ""))
assert POORER.prompt != NORA.prompt
ASKED = ("How much is a basic service?", "What does the basic service cost?", "I need a basic service, what is the price?")


def write_run(folder: Path, *, scenarios: int = 12, seeds: int = 2) -> Path:
    """Three personas; the poorer one cannot tell the price, and invents one in the last scenario."""
    for persona in (NORA, TWIN, POORER):
        save_persona(folder, persona)
        for scenario in range(scenarios):
            for seed in range(seeds):
                invented = "It is 80 dollars." if scenario == scenarios - 1 else "I do not know that, sorry."
                answer = invented if persona is POORER else "A basic service costs 45 dollars."
                said = [("user", ASKED[scenario % 3]), ("agent", answer)]
                verdicts = [{"name": "says", "passed": persona is not POORER, "found": "", "wanted": ""}]
                save_cell(folder, persona, f"price-{scenario:02}", said, seed=seed, verdicts=verdicts, measures={"other": 1.0})
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunComparison:
    run = write_run(tmp_path_factory.mktemp("run"))
    save_cell(run, NORA, "broken", status="failed")
    save_cell(run, NORA, "alone", [("user", "Hello."), ("agent", "Hello, I am Nora.")])
    return compare_run(run)


def one(found: RunComparison, first: str, second: str, measure: str) -> dict[str, object]:
    (row,) = (row for row in as_json(found)["findings"] if (row["first"], row["second"], row["measure"]) == (first, second, measure))
    return dict(row)


def test_a_removed_fact_is_found_and_a_twin_is_not(found: RunComparison) -> None:
    lost = one(found, "customer-service", "poorer", "fact_recall")
    assert (lost["verdict"], lost["winner"]) == ("better", "customer-service")
    assert (lost["first_value"], lost["second_value"], lost["scenarios"], lost["pairs"]) == (1.0, 0.0, 12, 24)
    twins = [row for row in as_json(found)["findings"] if (row["first"], row["second"]) == ("customer-service", "twin")]
    assert twins
    assert all(row["winner"] is None and row["p_adjusted"] in (None, 1.0) for row in twins)


def test_what_the_findings_rest_on(found: RunComparison) -> None:
    assert found.rows == {"done": 73, "failed": 1}
    assert found.unpaired == 1
    assert found.unknown_measures == ["other"]
    assert found.comparison.family == sum(finding.p is not None for finding in found.comparison.findings)
    price = next(fact for fact in found.facts if "45 dollars" in fact.text)
    assert price.asked == {"customer-service": 24, "twin": 24, "poorer": 24}
    assert price.told == {"customer-service": 1.0, "twin": 1.0, "poorer": 0.0}


def test_the_table_for_people(found: RunComparison) -> None:
    text = told(found)
    assert "customer-service is better than poorer in facts recalled on classic." in text
    assert "twin is better than poorer in facts recalled" in text
    assert "all alike" in text
    assert "poorer is better" not in text
    assert "72 talks" not in text
    assert "1 finished talks have no counterpart" in text
    assert "Not compared, for they are declared nowhere: other." in text
    assert "poorer less customer-service, on classic" in text
    assert "0.00 of 24" in text


def test_a_baseline_makes_a_smaller_family(found: RunComparison) -> None:
    with_baseline = compare_run(found.run, baseline="customer-service", resamples=500)
    assert {(finding.first, finding.second) for finding in with_baseline.comparison.findings} == {
        ("customer-service", "poorer"),
        ("customer-service", "twin"),
    }
    assert with_baseline.comparison.family < found.comparison.family


def test_the_page_is_whole_and_escaped(found: RunComparison) -> None:
    page = comparison_page(replace(found, personas={**found.personas, "poorer": replace(POORER, prompt="<script>x</script>")}))
    assert page.startswith("<!doctype html>")
    assert "customer-service is better than poorer in facts recalled" in page
    assert "<script>x</script>" not in page
    assert "&lt;script&gt;x" in page
    assert "http-equiv" in page


def test_too_few_scenarios_are_told(tmp_path: Path) -> None:
    found = compare_run(write_run(tmp_path, scenarios=4, seeds=5), resamples=500)
    recall = next(finding for finding in found.comparison.findings if finding.measure.name == "fact_recall")
    assert verdict(recall) == "4 scenarios: too few for any p < 0.05, 6 at least"
    assert "No winner in any measure." in told(found)
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["scenarios_needed"] > 6


def test_a_judge_s_scores_are_compared_once_there_are_any(tmp_path: Path) -> None:
    run = write_run(tmp_path, scenarios=6, seeds=1)
    (run / "judgements").mkdir()
    for cell in read_cells(run):
        persona = {"twin": TWIN, "poorer": POORER}.get(cell.persona, NORA)
        assert messages(persona, cell.turns)
        scores = {"adherence": 1 if persona is POORER else 5, "naturalness": 4, "reason": ""}
        row = {**request_for(cell, persona, "tiny"), "host": "h", "answer": "", "scores": scores, "unread": ""}
        (run / "judgements" / f"{cell.name}.json").write_text(json.dumps(row))
    found = compare_run(run, baseline="customer-service", resamples=500)
    assert found.judged == 18
    assert one(found, "customer-service", "poorer", "judge_adherence")["difference"] == -4


def test_a_run_that_cannot_be_compared_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no rows \(cells/\*\.json\)"):
        compare_run(tmp_path)
    save_persona(tmp_path, NORA)
    name = save_cell(tmp_path, NORA, "a", [("user", "Hello.")])
    with pytest.raises(RunError, match="give it two personas or more"):
        compare_run(tmp_path)
    save_cell(tmp_path, TWIN, "a")
    with pytest.raises(RunError, match="persona of twin--classic--a--0 is not in the run"):
        compare_run(tmp_path)
    save_persona(tmp_path, replace(TWIN, prompt="You are another."))
    with pytest.raises(RunError, match="put the file back that was used"):
        compare_run(tmp_path)
    save_persona(tmp_path, TWIN)
    with pytest.raises(RunError, match="baseline 'x' is not in the run"):
        compare_run(tmp_path, baseline="x")
    path = tmp_path / "cells" / f"{name}.json"
    for broken in ("{", "[]", path.read_text().replace('"done"', '"maybe"'), path.read_text().replace('"seed": 0', '"seed": null')):
        path.write_text(broken)
        with pytest.raises(RunError, match="is no row of a run"):
            compare_run(tmp_path)


def test_numbers_as_a_table_shows_them() -> None:
    assert [number(value, 2, sign=True) for value in (0.0, -0.001, 0.5, -1.25, None)] == ["0.00", "0.00", "+0.50", "-1.25", "–"]
