"""`workbench evaluate compare` and `lint`: what a user sees of a comparison, of a judge and of the prompting guide."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from judge_stub import judge_stub
from run_files import save_cell, save_persona
from typer.testing import CliRunner

from workbench.cli import app
from workbench.persona_library import PersonaLibrary
from workbench.personas import render

NORA = PersonaLibrary().get("customer-service")
POORER = replace(NORA, persona_id="poorer", prompt=NORA.prompt.replace("45 dollars", "little"))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["evaluate", *arguments])


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    for persona in (NORA, POORER):
        save_persona(tmp_path, persona)
        for number in range(10):
            answer = "It costs little." if persona is POORER else "A basic service costs forty five dollars."
            save_cell(tmp_path, persona, f"price-{number}", [("user", "How much is a basic service?"), ("agent", answer)])
    return tmp_path


def test_compare_for_people_for_programs_and_as_a_page(swept: Path) -> None:
    done = run("compare", str(swept), "--baseline", "customer-service", "--html", str(swept / "compared.html"))
    assert done.exit_code == 0, done.output
    assert "customer-service is better than poorer in facts recalled on classic." in done.stdout
    assert "compared.html" in done.stderr
    assert (swept / "compared.html").read_text().startswith("<!doctype html>")
    plain = json.loads(run("compare", str(swept), "--json").stdout)
    (recall,) = (finding for finding in plain["findings"] if finding["measure"] == "fact_recall")
    assert (recall["winner"], recall["difference"], recall["scenarios"]) == ("customer-service", -1.0, 10)
    assert plain["judged"] == 0


def test_judge_asks_the_configured_model_once(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WORKBENCH_LLM_API_KEY", "sk-secret-77")
    with judge_stub(lambda body: "no" if "little" in json.dumps(body) else '{"adherence": 5, "naturalness": 5}') as server:
        monkeypatch.setenv("WORKBENCH_LLM_BASE_URL", server.url)
        done = run("compare", str(swept), "--judge", "--json")
        assert done.exit_code == 0, done.output
        assert "20 talks judged by" in done.stderr
        assert "No score for poorer--classic--price-0--0: the judge's answer cannot be read" in done.stderr
        again = run("compare", str(swept), "--judge", "--json")
        assert "0 talks judged by" in again.stderr
        assert len(server.bodies) == 20
    assert json.loads(done.stdout)["judged"] == 10
    assert json.loads(done.stdout) == json.loads(again.stdout)
    assert "sk-secret-77" not in done.output + again.output


def test_a_judge_that_fails_is_told_and_nothing_is_lost(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with judge_stub(lambda _body: None) as server:
        monkeypatch.setenv("WORKBENCH_LLM_BASE_URL", server.url)
        done = run("compare", str(swept), "--judge")
    assert done.exit_code == 2
    assert "What was judged until then is kept" in done.stderr
    monkeypatch.delenv("WORKBENCH_LLM_BASE_URL")
    done = run("compare", str(swept), "--judge")
    assert done.exit_code == 2
    assert "set WORKBENCH_LLM_BASE_URL" in done.stderr


def test_faults_are_one_line(tmp_path: Path, swept: Path) -> None:
    for arguments, fault in (
        ((str(tmp_path / "nothing"),), "holds no rows"),
        ((str(swept), "--baseline", "x"), "the baseline 'x' is not in the run"),
        ((str(swept), "--html", str(tmp_path / "no" / "x.html")), "cannot be written"),
    ):
        done = run("compare", *arguments)
        assert done.exit_code == 2
        assert fault in done.stderr
        assert "Traceback" not in done.output


def test_lint_of_the_shipped_and_of_a_file(tmp_path: Path) -> None:
    done = run("lint")
    assert done.exit_code == 0, done.output
    assert "customer-service: nothing to say" in done.stdout
    odd = tmp_path / "odd.md"
    odd.write_text(render(replace(NORA, persona_id="odd", prompt="I am Nora Bell.\n- refunds")))
    done = run("lint", str(odd), "--json")
    assert done.exit_code == 0, "warnings alone are no fault"
    codes = {finding["code"] for finding in json.loads(done.stdout)["odd"]}
    assert codes >= {"second-person", "unspeakable", "opening", "information-missing"}
    odd.write_text(render(replace(NORA, role="pirate")))
    done = run("lint", str(odd), "casual")
    assert done.exit_code == 1
    assert "error role-unknown" in done.stdout
    assert "casual: nothing to say" in done.stdout
    assert run("lint", "nobody").exit_code == 2
