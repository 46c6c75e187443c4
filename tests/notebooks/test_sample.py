"""The sample that a fresh clone has: small, whole, really recorded, and made by a script that can be run again."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import duckdb
import pytest

from evaluation.scenario_files import load_suite
from workbench.store.export import read_schema

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "sample"


def test_it_is_small_and_an_export_of_one_definition() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 8_000_000
    schema = read_schema(SAMPLE)
    assert schema["tables"]["sessions"]["rows"] == sum(schema["scored_by"].values())
    assert len(schema["scored_by"]) == 1, "turns derived by one set of definitions"
    assert schema["options"]["words"] == "keep"


def test_its_talks_were_recorded_event_by_event() -> None:
    """Rows that somebody wrote by hand would not have the ticks of a clock and the edges of detectors under them."""
    tables = {name: f"read_parquet('{SAMPLE / name}/**/*.parquet')" for name in ("sessions", "events", "frame_timings", "turns")}
    connection = duckdb.connect()
    for kind in ("SessionOpened", "EngineChosen", "UserSpeech", "AgentSpeech", "SessionClosed"):
        (found,) = connection.execute(f"SELECT count(DISTINCT session_id) FROM {tables['events']} WHERE kind = $1", [kind]).fetchall()
        (talks,) = connection.execute(f"SELECT count(*) FROM {tables['sessions']}").fetchall()
        assert found == talks, kind
    steps = f"SELECT frame - lag(frame) OVER (PARTITION BY session_id ORDER BY seq) AS step FROM {tables['frame_timings']}"
    gaps = connection.execute(f"SELECT count(*) FROM ({steps}) AS steps WHERE step <> 1").fetchall()
    assert gaps == [(0,)], "a frame timing for every tick"
    derived = f"SELECT count(*) FROM {tables['turns']}"
    published = f"SELECT count(*) FROM {tables['events']} WHERE kind = 'TurnEnded'"
    assert connection.execute(derived).fetchall() == connection.execute(published).fetchall()


def test_its_script_holds_shipped_scenarios_with_personas_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    suite = {scenario.id: scenario for scenario in load_suite(made.SUITE)}
    for talk in made.TALKS:
        fitting = suite[talk.scenario].personas
        assert not fitting or talk.persona in fitting, talk
    known = json.loads((SAMPLE / "known.json").read_text())
    assert known["sessions"] == read_schema(SAMPLE)["tables"]["sessions"]["rows"] == len(made.TALKS)
