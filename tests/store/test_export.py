"""What `workbench export` writes: read back with nothing but DuckDB and pyarrow."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.store.talk_script import stems
from tests.store.talks_in_store import PERSONA, PROMPT, SECRET, keep
from workbench import events
from workbench.audio.frames import to_int16
from workbench.store.base import Store, StoreError
from workbench.store.derived import BINS_PER_MS, FRAME_BINS, PAYLOAD_COLUMNS
from workbench.store.export import EXPORTED, ExportOptions, export, read_schema
from workbench.store.ratings import rate
from workbench.store.words import COLUMNS, EVENT_FIELDS, PLAIN_COLUMNS, Rule

PLAIN_FIELDS = {
    "SessionOpened": {
        "session_id",
        "conversation_id",
        "persona",
        "persona_hash",
        "voice",
        "transport",
        "pace",
        "latency_model",
        "trace_id",
        "consent",
    },
    "SessionClosed": {"reason"},
    "EngineChosen": {"engine", "requested", "reason", "parts"},
    "EngineLost": {"engine"},
    "Notice": {"level", "code", "repair"},
    "UserSpeech": {"edge", "detector"},
    "AgentSpeech": {"edge", "detector"},
    "UserText": {"utterance_id", "source", "recogniser"},
    "TurnEnded": {"turn_id", "speaker"},
    "BargeIn": {"barge_in_id", "outcome"},
    "Backchannel": {"speaker"},
    "IntentFound": {"utterance_id", "intent", "tool", "source"},
    "StageTiming": {"utterance_id", "stage"},
    "AudioLost": {"cause"},
    "DecisionMade": {"utterance_id", "act", "reason", "tool", "tier", "invocation_id", "pending_id"},
    "ToolProposed": {"utterance_id", "tier"},
    "ToolStarted": {"utterance_id", "provider", "tier"},
    "ResultDelivered": {"how"},
    "NoticeDelivered": {"purpose", "how"},
    "FidelityMeasured": {"recogniser"},
}
TOOL_FIELDS = {"invocation_id", "tool"}


def rows(folder: Path, table: str, sql: str = "SELECT * FROM t") -> list[dict[str, Any]]:
    parquet = f"read_parquet('{folder / table}/**/*.parquet', hive_partitioning = true)"
    answer = duckdb.connect().execute(f"WITH t AS (SELECT * FROM {parquet}) {sql}")
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def test_a_talk_lies_whole_in_the_day_on_which_it_began(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "late", when=datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC))
    keep(store, tmp_path / "audio", "next", when=datetime(2026, 3, 2, 0, 0, 1, tzinfo=UTC))
    done = export(store, tmp_path / "audio", tmp_path / "out")
    assert done.rows["sessions"] == 2
    assert done.rows["turns"] == 4
    assert sorted(path.name for path in (tmp_path / "out" / "turns").iterdir()) == ["day=2026-03-01", "day=2026-03-02"]
    found = rows(tmp_path / "out", "turns", "SELECT DISTINCT session_id, day::VARCHAR AS day FROM t ORDER BY 1")
    assert found == [{"session_id": "late", "day": "2026-03-01"}, {"session_id": "next", "day": "2026-03-02"}]


def test_every_row_of_the_store_is_in_the_export(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "one")
    export(store, tmp_path / "audio", tmp_path / "out")
    for table in EXPORTED:
        (kept,) = store.query(f"SELECT count(*) AS n FROM {table.source}")
        assert kept["n"] == read_schema(tmp_path / "out")["tables"][table.name]["rows"], table.name
    (persona,) = rows(tmp_path / "out", "personas")
    assert (persona["content_hash"], persona["prompt"]) == (PERSONA.content_hash, PROMPT)
    (turn,) = rows(tmp_path / "out", "turns", "SELECT * FROM t WHERE turn_id = 't-2'")
    assert (turn["speaker"], turn["latency_ms"], turn["start_ms"], turn["text"]) == ("agent", 400.0, 1400.0, "words of t-2")
    assert "id" not in turn


@pytest.mark.parametrize("words", ["keep", "redact", "blank"])
def test_fields_of_the_payload_are_columns_too(store: Store, tmp_path: Path, words: Rule) -> None:
    keep(store, tmp_path / "audio", "one")
    export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(words=words))
    told = read_schema(tmp_path / "out")["tables"]["events"]["columns"]
    found = rows(tmp_path / "out", "events")
    for column in PAYLOAD_COLUMNS:
        assert told[column.name] == column.type
        payloads = [(event["kind"], json.loads(event["payload"]).get(column.name), event[column.name]) for event in found]
        assert all(value == (field if kind in column.kinds else None) for kind, field, value in payloads), column.name
    assert any(event["final"] is True for event in found)
    assert any(event["invocation_id"] for event in found)


def test_columns_of_the_payload_are_fields_of_their_events() -> None:
    for column in PAYLOAD_COLUMNS:
        for kind in column.kinds:
            assert column.name in {field.name for field in dataclasses.fields(events.vocabulary()[kind])}, (column.name, kind)


def test_frames_are_counted_by_how_long_they_took(store: Store, tmp_path: Path) -> None:
    for name in ("one", "two"):
        keep(store, tmp_path / "audio", name)
    done = export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(sessions=["one"]))
    bins, frames = rows(tmp_path / "out", FRAME_BINS.name), rows(tmp_path / "out", "frame_timings")
    assert len(frames) > 0
    assert done.rows[FRAME_BINS.name] == len(bins)
    for measure in ("total", "late"):
        counted = {found["bin"]: found["n"] for found in bins if found["measure"] == measure}
        assert counted == Counter(math.ceil(frame[f"{measure}_ms"] * BINS_PER_MS) for frame in frames), "of the exported talk alone"
    assert {(found["pace"], found["engine"]) for found in bins} == {
        (talk["pace"], frame["engine"]) for talk in rows(tmp_path / "out", "sessions") for frame in frames
    }


def test_filters(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "a", when=datetime(2026, 1, 1, tzinfo=UTC), engine="classic")
    keep(store, tmp_path / "audio", "b", when=datetime(2026, 2, 1, tzinfo=UTC), engine="echo")
    keep(store, tmp_path / "audio", "c", when=datetime(2026, 3, 1, tzinfo=UTC), engine="echo", over=False)
    keep(store, tmp_path / "audio", "d", when=datetime(2026, 3, 1, tzinfo=UTC), engine="echo")
    wanted = {
        "ab": ExportOptions(until=datetime(2026, 3, 1, tzinfo=UTC)),
        "bd": ExportOptions(engines=["echo"]),
        "d": ExportOptions(since=datetime(2026, 2, 2, tzinfo=UTC)),
        "ad": ExportOptions(sessions=["a", "d", "nobody"]),
        "abd": ExportOptions(personas=["myca", "theo"]),
        "": ExportOptions(personas=["theo"]),
    }
    for number, (names, options) in enumerate(wanted.items()):
        folder = tmp_path / f"out{number}"
        done = export(store, tmp_path / "audio", folder, options)
        assert "".join(sorted(row["session_id"] for row in rows(folder, "sessions"))) == names if names else done.rows["sessions"] == 0
        assert done.rows["turns"] == 2 * len(names)
    assert export(store, tmp_path / "audio", tmp_path / "all").going_on == 1


def _everything(folder: Path) -> str:
    tables = [table.name for table in EXPORTED if any((folder / table.name).rglob("*.parquet"))]
    return "\n".join(str(row) for name in tables for row in rows(folder, name))


def test_without_transcripts_nothing_that_was_said_is_left(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "one")
    export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(words="blank"))
    everything = _everything(tmp_path / "out")
    for word in ("ann.lee", "0032", "five five", "words of", "Tokyo", "3333"):
        assert word not in everything, word
    payloads = rows(tmp_path / "out", "events")
    restored = [events.restore(row["kind"], row["at_samples"], row["noticed_samples"], json.loads(row["payload"])) for row in payloads]
    assert [event.text for event in restored if isinstance(event, events.UserText)] == ["", ""]
    assert read_schema(tmp_path / "out")["options"]["words"] == "blank"


def test_a_rating_goes_out_without_its_words_and_its_giver(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "one")
    rate(store, "one", rater="Ann Lee", stars=4, note=f"ask her: {SECRET}")
    for words in ("keep", "redact", "blank"):
        export(store, tmp_path / "audio", tmp_path / words, ExportOptions(words=words))
    (kept,), (redacted,), (blank,) = (rows(tmp_path / words, "ratings") for words in ("keep", "redact", "blank"))
    assert (kept["rater"], kept["note"], kept["stars"]) == ("Ann Lee", f"ask her: {SECRET}", 4)
    assert redacted["note"] == "ask her: write to [email] or [number]"
    assert (blank["rater"], blank["note"], blank["stars"]) == (None, None, 4)


def test_redaction_takes_addresses_and_numbers_and_leaves_the_rest(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "one", text=f"well {SECRET}, or double five one two three four, at room 4711")
    export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(words="redact"))
    everything = _everything(tmp_path / "out").replace(PROMPT, "")
    for secret in ("ann.lee", "475", "one two three", "five five", "11112222", "33334444"):
        assert secret not in everything, secret
    texts = rows(tmp_path / "out", "events", "SELECT payload->>'text' AS text FROM t WHERE kind = 'UserText' ORDER BY seq")
    assert [row["text"] for row in texts] == ["", "well write to [email] or [number], or [number], at room 4711"]
    (tool,) = rows(tmp_path / "out", "tool_invocations")
    assert json.loads(tool["result"]) == {"mail": "[email]", "id": "[number]", "list": ["[number]", "[number]", "x"], "n": 5}
    assert json.loads(tool["arguments"]) == {"place": "Tokyo"}
    (final,) = rows(tmp_path / "out", "events", "SELECT payload FROM t WHERE kind = 'UserText' AND payload->>'final' = 'true'")
    assert json.loads(final["payload"])["start_samples"] == 12_345_678, "a place in session time is no secret"


@pytest.mark.parametrize("words", ["redact", "blank"])
def test_keys_of_a_telephone_go_out_as_no_number(store: Store, tmp_path: Path, words: Rule) -> None:
    keep(store, tmp_path / "audio", "one")
    pressed = {
        "session_id": "one",
        "seq": 9_000,
        "kind": "DigitPressed",
        "at_samples": 0,
        "noticed_samples": 0,
        "payload": '{"digit": "7"}',
    }
    store.append("voice_events", pressed)
    store.flush()
    export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(words=words))
    assert rows(tmp_path / "out", "events", "SELECT payload FROM t WHERE kind = 'DigitPressed'") == [{"payload": '{"digit":""}'}]


def test_prompts_stay_unless_they_are_to_go(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "one")
    export(store, tmp_path / "audio", tmp_path / "with", ExportOptions(words="blank"))
    export(store, tmp_path / "audio", tmp_path / "without", ExportOptions(prompts=False))
    assert [row["prompt"] for row in rows(tmp_path / "with", "personas")] == [PROMPT]
    assert [row["prompt"] for row in rows(tmp_path / "without", "personas")] == [None]


def test_sound_goes_out_as_files_and_as_an_audio_feature(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path / "audio", "heard", frames=25)
    keep(store, tmp_path / "audio", "unheard")
    done = export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(audio=True))
    assert done.without_sound == 1
    table = pq.read_table(tmp_path / "out" / "audio.parquet")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["audio"] == {"sampling_rate": 24_000, "num_channels": 2, "_type": "Audio"}
    (row,) = table.to_pylist()
    assert row["session_id"] == "heard"
    assert row["audio"]["bytes"] == (tmp_path / "out" / "audio" / "heard.flac").read_bytes()
    sound, rate = soundfile.read(tmp_path / "out" / "audio" / row["audio"]["path"], dtype="int16")
    assert rate == 24_000
    assert np.array_equal(sound[: 25 * 1_920, 0], np.concatenate([to_int16(stems(frame)[0]) for frame in range(25)]))


def test_sound_and_redaction_contradict_each_other(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the sound holds the words"):
        export(store, tmp_path, tmp_path / "out", ExportOptions(audio=True, words="redact"))


def test_an_empty_store_exports_too(store: Store, tmp_path: Path) -> None:
    done = export(store, tmp_path, tmp_path / "out", ExportOptions())
    assert set(done.rows.values()) == {0}
    assert read_schema(tmp_path / "out")["tables"]["turns"]["columns"]["latency_ms"] == "DOUBLE"


def test_a_folder_with_something_else_in_it_is_never_touched(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="not empty and no export"):
        export(store, tmp_path, tmp_path / "mine", replace=True)
    keep(store, tmp_path / "audio", "one")
    export(store, tmp_path, tmp_path / "out")
    with pytest.raises(StoreError, match="--replace"):
        export(store, tmp_path, tmp_path / "out")
    keep(store, tmp_path / "audio", "two")
    assert export(store, tmp_path, tmp_path / "out", replace=True).rows["sessions"] == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_export_that_fails_leaves_nothing_and_the_earlier_one(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, tmp_path / "audio", "one", frames=2)
    export(store, tmp_path / "audio", tmp_path / "out")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.store.audio_export.shutil.copyfile", full)
    with pytest.raises(StoreError, match="No space left"):
        export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(audio=True), replace=True)
    assert read_schema(tmp_path / "out")["options"]["audio"] is False
    assert [path.name for path in tmp_path.iterdir() if ".part-" in path.name] == []


def test_what_is_no_export_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no export"):
        read_schema(tmp_path)
    (tmp_path / "schema.json").write_text('{"format": "personaplex-workbench-export", "format_version": 99}')
    with pytest.raises(StoreError, match="Update the workbench"):
        read_schema(tmp_path)


def test_every_table_of_a_talk_is_exported(store: Store) -> None:
    """But the segments of a talk that goes on, which are no more when it is over."""
    found = store.query(
        "SELECT DISTINCT c.table_name FROM information_schema.columns c JOIN information_schema.tables t "
        "ON t.table_name = c.table_name WHERE c.column_name = 'session_id' AND t.table_type = 'BASE TABLE'"
    )
    assert {row["table_name"] for row in found} - {"voice_audio_segments"} == {table.source for table in EXPORTED} - {"voice_personas"}


def test_every_text_column_is_known_as_words_or_as_plain(store: Store) -> None:
    for table in EXPORTED:
        known = PLAIN_COLUMNS[table.source] | COLUMNS.get(table.source, {}).keys() | {"payload", "prompt"}
        found = store.query("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1", [table.source])
        texts = {row["column_name"] for row in found if row["data_type"] in ("VARCHAR", "JSON")}
        assert texts <= known, f"{table.source}: enter {sorted(texts - known)} in workbench/store/words.py"


@pytest.mark.parametrize("kind", sorted(events.vocabulary()))
def test_every_text_field_of_an_event_is_known_as_words_or_as_plain(kind: str) -> None:
    event = events.vocabulary()[kind]
    hints = typing.get_type_hints(event)
    wordy = ("str", "Mapping", "Any", "Literal")
    texts = {field.name for field in dataclasses.fields(event) if any(word in str(hints[field.name]) for word in wordy)}
    known = EVENT_FIELDS.get(kind, {}).keys() | PLAIN_FIELDS.get(kind, set()) | TOOL_FIELDS
    assert texts <= known, f"enter {sorted(texts - known)} of {kind} in workbench/store/words.py"
