"""Decisions, notices and what is measured of deliveries, as rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from talk_script import chosen, closed, opened, play, tool_started

from workbench import events
from workbench.store import queries
from workbench.store.base import Store
from workbench.store.recorder import Recorder

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Record = Callable[..., dict[str, Any]]


@pytest.fixture
def record(store: Store, tmp_path: Path) -> Record:
    """Plays a talk of these events and gives it as it is stored."""
    recorder = Recorder(store, tmp_path / "audio", recording=False, wall_clock=lambda: STARTED)

    def recorded(*talk: events.Event, session_id: str = "talk-1", engine: str = "classic") -> dict[str, Any]:
        play(recorder.observer(), opened(session_id), chosen(engine), *talk)
        store.flush()
        found = queries.get_session(store, session_id)
        assert found is not None
        return found

    return recorded


def at(seconds: float) -> dict[str, Any]:
    return {"at_samples": round(seconds * 24_000), "noticed_samples": round(seconds * 24_000)}


def delivered(invocation_id: str = "call-1", *, words_before: int | None = 0, interrupted: bool = False) -> events.ResultDelivered:
    return events.ResultDelivered(
        **at(3),
        invocation_id=invocation_id,
        tool="time_in",
        how="engine",
        words_asked=5,
        words_heard=5,
        interrupted=interrupted,
        words_before=words_before,
    )


def measured(wer: float, invocation_id: str = "call-1") -> events.FidelityMeasured:
    return events.FidelityMeasured(
        **at(4), invocation_id=invocation_id, tool="time_in", wer=wer, reference="a b", transcript="a c", recogniser="r"
    )


def test_decisions_are_rows_in_order_with_their_reasons(record: Record) -> None:
    found = record(
        events.DecisionMade(**at(1), utterance_id="u-1", text="hi \x00", act="leave", reason="no tool is asked for"),
        events.DecisionMade(
            **at(2),
            utterance_id="u-0",
            text="yes",
            act="confirm",
            reason="agreed",
            tool="erase",
            tier="write",
            invocation_id="i",
            pending_id="i",
        ),
    )
    first, second = found["decisions"]
    assert (first["act"], first["reason"], first["tool"], first["tier"], first["pending_id"]) == (
        "leave",
        "no tool is asked for",
        None,
        None,
        None,
    )
    assert first["text"] == "hi \N{REPLACEMENT CHARACTER}"
    assert (second["utterance_id"], second["start_ms"], second["decided_at"]) == ("u-0", 2_000.0, STARTED + timedelta(seconds=2))
    assert (second["tool"], second["tier"], second["invocation_id"], second["pending_id"]) == ("erase", "write", "i", "i")


def test_decisions_are_deleted_with_their_talk(store: Store, record: Record, tmp_path: Path) -> None:
    record(events.DecisionMade(**at(1), utterance_id="u", text="hi", act="leave", reason="r"), closed(2))
    assert queries.delete_session(store, tmp_path / "audio", "talk-1")
    assert store.query("SELECT * FROM voice_decisions") == []


def test_a_proposed_action_keeps_its_arguments_and_its_deadline(record: Record) -> None:
    found = record(
        events.ToolProposed(
            **at(1),
            invocation_id="a",
            tool="send",
            utterance_id="u",
            arguments={"to": "Morgan"},
            tier="write",
            prompt="Sure?",
            deadline_samples=31 * 24_000,
        )
    )
    (row,) = found["tool_invocations"]
    assert (row["status"], row["arguments"], row["deadline_ms"], row["tier"]) == ("proposed", {"to": "Morgan"}, 31_000.0, "write")


def test_an_apology_is_how_a_failed_invocation_reached_the_user(record: Record) -> None:
    def notice(purpose: Any, heard: int) -> events.NoticeDelivered:
        return events.NoticeDelivered(
            **at(3),
            invocation_id="call-1",
            tool="time_in",
            purpose=purpose,
            text="Sorry.",
            how="host",
            words_asked=3,
            words_heard=heard,
            interrupted=True,
        )

    failed = events.ToolFailed(**at(3), invocation_id="call-1", tool="time_in", error="refused", latency_ms=1.0)
    (row,) = record(tool_started(), notice("filler", 1), failed, notice("apology", 2))["tool_invocations"]
    assert (row["status"], row["delivered_how"], row["words_asked"], row["words_heard"], row["interrupted"]) == (
        "error",
        "host",
        3,
        2,
        True,
    )


def test_fidelity_is_unknown_until_it_is_measured(record: Record) -> None:
    (row,) = record(tool_started(), delivered(words_before=2))["tool_invocations"]
    assert (row["fidelity_wer"], row["words_before_result"]) == (None, 2)
    (row,) = record(tool_started(), delivered(), measured(0.5), session_id="talk-2")["tool_invocations"]
    assert row["fidelity_wer"] == 0.5


def test_the_share_of_tool_turns_with_content_before_the_result(store: Store, record: Record) -> None:
    assert queries.tool_turns(store) == {}
    for number, before in enumerate((0, 3, 0, 1)):
        record(tool_started(), delivered(words_before=before, interrupted=before == 3), session_id=f"t{number}", engine="personaplex")
    record(tool_started(), session_id="undelivered", engine="personaplex")
    record(tool_started(), delivered(words_before=None), session_id="uncounted", engine="personaplex")
    record(tool_started(), delivered(), measured(0.2), session_id="classic")
    assert queries.tool_turns(store) == {
        "classic": {"n": 1, "content_share": 0.0, "interrupted_share": 0.0, "fidelity_n": 1, "fidelity_p50_wer": 0.2},
        "personaplex": {"n": 4, "content_share": 0.5, "interrupted_share": 0.25, "fidelity_n": 0, "fidelity_p50_wer": None},
    }
    assert queries.tool_turns(store, since=STARTED + timedelta(hours=1)) == {}
