"""Every measure on talks of which the figures are known, from an export and from the store alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.analysis import barge_in, latency, personas, timeline, tools
from workbench.analysis.source import AnalysisError, ExportSource, Source, StoreSource
from workbench.store.derived import DERIVED, PAYLOAD_COLUMNS
from workbench.store.duckdb_store import DuckDbStore


def test_answers_unanswered_and_censored_are_told_apart(source: Source) -> None:
    found = latency.answers(source)
    assert set(found["session_id"]) == {*(f"{name}-{n}" for name in ("quick", "slow") for n in range(6)), "other"}, "none in text"
    slow = found[found["persona"] == "slow"].groupby("session_id")["outcome"].apply(list)
    # The second turn is followed by another of the user's, the last one by the end of the talk a second later.
    assert slow.map(sorted).map(tuple).unique().tolist() == [("answered", "answered", "censored", "unanswered")]
    assert found.loc[found["outcome"] != "answered", "latency_ms"].isna().all()


def test_a_summary_keeps_overlaps_negative_and_counts_what_has_no_latency(source: Source) -> None:
    table = latency.summary(latency.answers(source), "persona").set_index("persona")
    quick = table.loc["quick"]
    assert (quick["n"], quick["unanswered"], quick["censored"]) == (13, 0, 0)
    assert quick["overlap_share"] == pytest.approx(7 / 13)
    slow = table.loc["slow"]
    assert (slow["n"], slow["unanswered"], slow["censored"]) == (12, 6, 6)
    assert slow["unanswered_share"] == pytest.approx(6 / 18)
    assert slow["median_ms"] == pytest.approx(850.0)
    assert slow["low_ms"] <= slow["median_ms"] <= slow["high_ms"]


def test_a_group_of_too_few_talks_has_no_interval(source: Source) -> None:
    table = latency.summary(latency.answers(source), "engine").set_index("engine")
    assert table.loc["echo", "median_ms"] == -500.0
    assert pd.isna(table.loc["echo", "low_ms"])


def test_frames_count_in_real_time_only(source: Source) -> None:
    (row,) = latency.frames(source).to_dict("records")
    assert (row["engine"], row["n"], row["missed"]) == ("classic", 150, 6)
    assert row["missed_per_minute"] == pytest.approx(6 / (150 * 0.08 / 60))
    strip = latency.frame_strip(source)
    assert set(strip["session_id"]) == {f"quick-{n}" for n in range(6)}
    assert strip.groupby("session_id")["missed"].sum().tolist() == [1] * 6
    assert set(latency.frame_strip(source, ["quick-2"])["session_id"]) == {"quick-2"}


def test_barge_ins_and_what_follows_them(source: Source) -> None:
    found = barge_in.barge_ins(source)
    table = barge_in.summary(found, "persona").set_index("persona")
    quick, slow = table.loc["quick"], table.loc["slow"]
    assert (quick["yielded"], quick["ignored"], quick["censored"]) == (6, 0, 0)
    assert (quick["yield_share"], quick["stop_median_ms"]) == (1.0, pytest.approx(325.0))
    assert quick["response_median_ms"] == pytest.approx(-100.0), "the agent went on before the user had ended"
    assert (slow["yielded"], slow["ignored"], slow["censored"], slow["stop_n"]) == (0, 3, 3, 0)
    assert (slow["yield_share"], slow["sessions"]) == (0.0, 6)
    assert pd.isna(slow["yield_low"]), "three talks are decided"
    assert pd.isna(quick["yield_low"]), "six talks that are all alike tell nothing about how talks differ"


def test_the_raster_is_aligned_at_the_onset(source: Source) -> None:
    rows = barge_in.raster(source, barge_in.barge_ins(source))
    first = rows[rows["row"] == 0]
    assert first["session_id"].unique().tolist() == ["quick-0"], "the quickest stop is at the top"
    spans = [(row.speaker, row.start_ms, row.end_ms) for row in first.sort_values("start_ms").itertuples()]
    assert spans == [("agent", -1800.0, 1000.0), ("user", 0.0, 2000.0), ("agent", 1900.0, 4000.0)]
    near = barge_in.raster(source, barge_in.barge_ins(source), before_ms=500)
    assert near["start_ms"].min() == -500.0, "what began before is cut at the edge of the window"
    assert rows.drop_duplicates("row")["outcome"].tolist() == ["yielded"] * 6 + ["ignored"] * 3 + ["censored"] * 3
    assert barge_in.raster(source, barge_in.barge_ins(source), most=4)["row"].nunique() == 4


def test_the_stages_of_a_tool_call(source: Source) -> None:
    calls = tools.calls(source)
    assert len(calls) == 6
    for stage, ms in (("understood", 100), ("dispatched", 20), ("answered", 500), ("spoken", 80)):
        assert calls[f"{stage}_ms"].tolist() == pytest.approx([ms] * 6), stage
    (row,) = tools.summary(calls).to_dict("records")
    assert (row["action"], row["calls"], row["success_share"], row["interrupted"]) == ("time_in_place", 6, 1.0, 6)
    assert row["total_median_ms"] == pytest.approx(700.0)
    assert row["heard_share"] == pytest.approx(0.75)


def test_one_talk_whole(source: Source) -> None:
    talk = timeline.timeline(source, "quick-0")
    assert (talk.engine, talk.persona, talk.length_ms) == ("classic", "quick", pytest.approx(30_000.0))
    spans = [(row.speaker, row.start_ms, row.end_ms) for row in talk.speech.itertuples()]
    assert spans == [("user", 1000, 2000), ("agent", 2200, 5000), ("user", 4000, 6000), ("agent", 5900, 8000)]
    assert talk.tools["action"].tolist() == ["time_in_place"]
    assert talk.barge_ins["outcome"].tolist() == ["yielded"]
    with pytest.raises(AnalysisError, match="no talk 'nobody'"):
        timeline.timeline(source, "nobody")


def test_personas_are_compared_on_one_engine(source: Source) -> None:
    data = personas.persona_data(source)
    assert data.engine == "classic"
    assert "other" not in set(data.talks["session_id"])
    quick, slow = data.versions
    table = personas.measures(data).set_index(["version", "measure"])
    assert table.loc[(slow, "unanswered"), "value"] == pytest.approx(100 * 6 / 18)
    assert table.loc[(quick, "yielded"), "value"] == 100.0
    assert table.loc[(quick, "words_per_turn"), "value"] == 3.0, "words of agent-5.9"
    assert np.isnan(table.loc[(slow, "tool_success"), "value"]), "no tool was called"
    verdicts = personas.compare(data, slow, quick).set_index("measure")["verdict"]
    assert verdicts["reply_ms"] == f"{quick} is better"
    assert verdicts["unanswered"] == "cannot be told", "every talk of a version is like the others in this"
    assert verdicts["tool_success"] == "cannot be told"
    assert set(personas.compare(data, quick, quick)["verdict"]) <= {"no difference shown", "cannot be told"}
    with pytest.raises(AnalysisError, match="'nobody'"):
        personas.compare(data, quick, "nobody")
    with pytest.raises(AnalysisError, match="'gpt'"):
        personas.persona_data(source, "gpt")


def test_an_export_of_before_the_derived_tables_and_the_store_give_the_same(
    known_store: DuckDbStore, known_export: Path, tmp_path: Path
) -> None:
    shutil.copytree(known_export, tmp_path / "older")
    schema = json.loads((tmp_path / "older" / "schema.json").read_text("utf-8"))
    for column in PAYLOAD_COLUMNS:
        del schema["tables"]["events"]["columns"][column.name]
    for derived in DERIVED:
        del schema["tables"][derived.name]
        shutil.rmtree(tmp_path / "older" / derived.name)
    (tmp_path / "older" / "schema.json").write_text(json.dumps(schema), "utf-8")
    export, older, store = ExportSource(known_export), ExportSource(tmp_path / "older"), StoreSource(known_store, Path("unused"))
    asked = {
        "frames": latency.frames,
        "stages": latency.stages,
        "calls": tools.calls,
        "speech": lambda source: timeline.speech(source, ["quick-0", "slow-1"]),
        "answers": lambda source: latency.summary(latency.answers(source), "persona"),
        "barge-ins": lambda source: barge_in.summary(barge_in.barge_ins(source), "persona"),
        "measures": lambda source: personas.measures(personas.persona_data(source)),
    }
    for name, question in asked.items():
        answer = question(export)
        assert not answer.empty or name == "stages", name
        for other in (older, store):
            pd.testing.assert_frame_equal(answer, question(other), check_dtype=False, check_exact=True, obj=name)


def test_no_talks_give_empty_tables_with_their_columns(empty: Source) -> None:
    answers = latency.answers(empty)
    assert {"outcome", "latency_ms"} <= set(answers.columns)
    assert latency.summary(answers, "engine").empty
    assert latency.frames(empty).empty
    assert barge_in.summary(barge_in.barge_ins(empty), "persona").empty
    assert barge_in.raster(empty, barge_in.barge_ins(empty)).empty
    assert tools.summary(tools.calls(empty)).empty
    assert personas.measures(personas.persona_data(empty)).empty
