from __future__ import annotations

import itertools
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talk_script import chosen, closed, opened, play, tick, tool_started, turn

from workbench import events
from workbench.events import Event
from workbench.personas import Persona
from workbench.store import queries
from workbench.store.base import Store, StoreError
from workbench.store.recorder import Recorder

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def recorder(store: Store, tmp_path: Path) -> Recorder:
    return Recorder(store, tmp_path / "audio", recording=False, wall_clock=lambda: STARTED)


def session(store: Store, session_id: str = "talk-1") -> dict[str, Any]:
    store.flush()
    found = queries.get_session(store, session_id)
    assert found is not None
    return found


def at(seconds: float) -> dict[str, Any]:
    return {"at_samples": round(seconds * 24_000), "noticed_samples": round(seconds * 24_000)}


def test_a_talk_becomes_rows(store: Store, recorder: Recorder) -> None:
    barge_in = events.BargeIn(
        **at(4.5),
        barge_in_id="b-1",
        outcome="yielded",
        stop_samples=112_800,
        stop_latency_ms=200.0,
        heard_text="It is",
        cancelled_text="nine",
    )
    talk = (opened(), chosen(), turn("t-1", "user", 0.5, 2.0), turn("t-2", "agent", 2.35, 4.7, 350.0), barge_in, closed(6.0))
    play(recorder.observer(), *talk)

    found = session(store)
    expected = {
        "mode": "classic",
        "engine": "classic",
        "engine_reason": "a test",
        "persona": "myca",
        "voice_prompt": "NATF2",
        "started_at": STARTED,
        "ended_at": STARTED + timedelta(seconds=6),
        "is_active": False,
        "ended_reason": "user_left",
        "recording": False,
        "turn_count": 2,
        "tool_count": 0,
        "barge_in_count": 1,
        "last_activity": STARTED + timedelta(seconds=6),
        "metadata": {"parts": {"asr": {"name": "fake", "why": "a test"}}, "requested": "auto"},
        "audio": None,
    }
    assert {key: found[key] for key in expected} == expected
    user, agent = found["turns"]
    assert (user["speaker"], user["latency_ms"], user["timestamp"]) == ("user", None, STARTED + timedelta(seconds=0.5))
    assert (agent["speaker"], agent["latency_ms"], agent["duration_ms"], agent["engine"]) == ("agent", 350.0, 2350, "classic")
    (interrupted,) = found["barge_ins"]
    assert (interrupted["event_id"], interrupted["start_ms"], interrupted["stop_ms"]) == ("b-1", 4500.0, 4700.0)
    assert (interrupted["stop_latency_ms"], interrupted["cancelled_text"]) == (200.0, "nine")


def test_a_talk_is_listed_as_active_from_its_first_event(store: Store, recorder: Recorder) -> None:
    recorder.observer().on_event(opened())
    found = session(store)
    assert (found["is_active"], found["mode"], found["engine"]) == (True, "unknown", None)


def test_an_engine_without_a_mode_of_its_own_is_other(store: Store, recorder: Recorder) -> None:
    play(recorder.observer(), opened(), chosen("moshi-from-next-year"))
    assert (session(store)["mode"], session(store)["engine"]) == ("other", "moshi-from-next-year")


def test_a_tool_has_its_row_from_its_start_and_the_row_ends_with_the_result(store: Store, recorder: Recorder) -> None:
    observer = recorder.observer()
    play(observer, opened(), chosen(), tool_started(2.0))
    (running,) = session(store)["tool_invocations"]
    assert (running["status"], running["agent"], running["action"], running["start_ms"]) == ("running", "local", "time_in", 2000.0)
    assert running["arguments"] == {"place": "Tokyo"}
    observer.on_event(
        events.ToolFinished(
            **at(2.3), invocation_id="call-1", tool="time_in", result={"t": "09:05"}, spoken="five past nine", latency_ms=298.5
        )
    )
    observer.on_event(
        events.ResultDelivered(
            **at(2.5), invocation_id="call-1", tool="time_in", how="host", words_asked=3, words_heard=2, interrupted=True
        )
    )
    (finished,) = session(store)["tool_invocations"]
    assert (finished["status"], finished["result"], finished["latency_ms"], finished["end_ms"]) == (
        "success",
        {"t": "09:05"},
        298.5,
        2300.0,
    )
    assert (finished["delivered_how"], finished["words_heard"], finished["interrupted"]) == ("host", 2, True)
    assert (finished["started_at"], finished["completed_at"]) == (STARTED + timedelta(seconds=2), STARTED + timedelta(seconds=2.3))


def test_a_failed_tool_leaves_its_error(store: Store, recorder: Recorder) -> None:
    failed = events.ToolFailed(**at(3), invocation_id="call-1", tool="time_in", error="connection refused", latency_ms=12.0)
    play(recorder.observer(), opened(), tool_started(), failed)
    (row,) = session(store)["tool_invocations"]
    assert (row["status"], row["error"], row["latency_ms"], row["result"]) == ("error", "connection refused", 12.0, None)


def test_a_late_result_is_kept_and_the_invocation_stays_cancelled(store: Store, recorder: Recorder) -> None:
    cancelled = events.ToolCancelled(**at(3), invocation_id="call-1", tool="time_in", reason="changed mind")
    late = events.ToolFinished(**at(4), invocation_id="call-1", tool="time_in", result=9, spoken="nine", latency_ms=2_000.0)
    play(recorder.observer(), opened(), tool_started(), cancelled, late)
    (row,) = session(store)["tool_invocations"]
    assert (row["status"], row["error"], row["result"]) == ("cancelled", "changed mind", 9)


def test_a_proposed_action_is_confirmed_or_refused(store: Store, recorder: Recorder) -> None:
    def proposed(invocation_id: str) -> Event:
        return events.ToolProposed(
            **at(1),
            invocation_id=invocation_id,
            tool="erase",
            utterance_id="u",
            arguments={},
            tier="destructive",
            prompt="Sure?",
            deadline_samples=9,
        )

    confirmed = events.ToolConfirmed(**at(2), invocation_id="a", tool="erase", phrase="yes")
    refused = events.ToolRefused(**at(2), invocation_id="b", tool="erase", reason="the user said no")
    play(recorder.observer(), opened(), proposed("a"), proposed("b"), proposed("c"), confirmed, refused)
    rows = {row["invocation_id"]: row for row in session(store)["tool_invocations"]}
    assert {key: row["status"] for key, row in rows.items()} == {"a": "pending", "b": "refused", "c": "proposed"}
    assert (rows["b"]["error"], rows["b"]["tier"]) == ("the user said no", "destructive")


def test_two_talks_may_number_their_turns_alike(store: Store, recorder: Recorder) -> None:
    for session_id in ("a", "b"):
        play(recorder.observer(), opened(session_id), turn("1", "user", 0, 1), tool_started(invocation_id="1"), closed(2))
    assert len(session(store, "a")["turns"]) == len(session(store, "b")["turns"]) == 1
    assert store.lost_rows == 0


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "", "a" * 65, "a b", "a\n", "a\x00", "ü", "a.flac"])
def test_what_is_no_id_never_becomes_a_row_or_a_file(store: Store, tmp_path: Path, hostile: str) -> None:
    recorder = Recorder(store, tmp_path / "audio")
    with pytest.raises(ValueError, match="is not an id"):
        recorder.observer().on_event(opened(hostile))
    with pytest.raises(ValueError, match="is not an id"):
        recorder.observer().on_event(opened(conversation_id=hostile))
    recorder.close()
    store.flush()
    assert store.query("SELECT * FROM voice_sessions") == []
    assert not (tmp_path / "audio").exists()


def test_a_talk_begins_with_its_opening(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="must be SessionOpened, not FrameTiming"):
        recorder.observer().on_event(tick(1))


def test_a_persona_is_kept_once_for_each_content(store: Store, recorder: Recorder) -> None:
    first = Persona("myca", "Myca", "NATF2", "assistant", "You are Myca.", ("*",), {"temp": 0.7})
    second = Persona("myca", "Myca", "NATF2", "assistant", "You are Myca, and brief.")
    for persona in (first, second, first):
        recorder.remember_persona(persona)
    store.flush()
    recorder.remember_persona(first)
    store.flush()
    found = store.query("SELECT * FROM voice_personas ORDER BY prompt")
    assert [row["content_hash"] for row in found] == [second.content_hash, first.content_hash]
    assert (found[1]["tools"], found[1]["sampling"], found[1]["first_seen"]) == (["*"], {"temp": 0.7}, STARTED)


# --- every event comes back as it went in ----------------------------------------------------------------------------

SAMPLES = st.integers(-(2**40), 2**40)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | SAMPLES | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = itertools.count()
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: SAMPLES,
    float: FLOATS,
    str: st.text(),
    bool: st.booleans(),
    Any: JSON,
    Mapping[str, Any]: st.dictionaries(st.text(), JSON, max_size=3),
    Mapping[str, Mapping[str, str]]: st.dictionaries(st.text(), st.dictionaries(st.text(), st.text(), max_size=2), max_size=2),
}


def strategy_of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in BY_TYPE:
        return BY_TYPE[hint]
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if hint is type(None):
        return st.none()
    return st.one_of([strategy_of(part) for part in typing.get_args(hint)])


def events_of(cls: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(cls, **{name: strategy_of(hint) for name, hint in typing.get_type_hints(cls).items()})


ANY_EVENT = st.one_of(
    [events_of(getattr(events, name)) for name in sorted(events.vocabulary()) if name not in ("SessionOpened", "SessionClosed")]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_EVENT, max_size=12))
def test_any_event_comes_back_from_its_row(store: Store, talk: list[Event]) -> None:
    session_id = f"talk-{next(NUMBERS)}"
    observer = Recorder(store, Path("unused"), recording=False).observer()
    first, last = opened(session_id), closed(9.0)
    play(observer, first, *talk, last)
    store.flush()
    assert queries.read_events(store, session_id) == [first, *talk, last]


def test_derived_rows_survive_any_talk(store: Store, recorder: Recorder) -> None:
    dirty = "a\x00b\ud800"
    talk = (
        opened(),
        events.EngineChosen(**at(0), engine=dirty, requested=dirty, reason=dirty, parts={dirty: {dirty: dirty}}),
        events.TurnEnded(**at(2), turn_id=dirty, speaker="user", text=dirty, start_samples=0, end_samples=9, latency_ms=float("nan")),
        events.ToolStarted(
            **at(2), invocation_id=dirty, tool=dirty, utterance_id=dirty, provider=dirty, arguments={dirty: dirty}, tier="read"
        ),
        events.ToolFinished(**at(2), invocation_id=dirty, tool=dirty, result=float("inf"), spoken=dirty, latency_ms=1.0),
        events.Notice(**at(2), level="info", code=dirty, message=dirty),
        events.SessionClosed(**at(3), reason=dirty, detail=dirty),
    )
    play(recorder.observer(), *talk)
    found = session(store)
    assert store.lost_rows == 0
    assert found["turns"][0]["text"] == "a\N{REPLACEMENT CHARACTER}b?"
    assert found["tool_invocations"][0]["result"] is None
    assert len(queries.read_events(store, "talk-1")) == len(talk)


def test_an_event_of_a_later_version_is_named(store: Store, recorder: Recorder) -> None:
    play(recorder.observer(), opened())
    store.flush()
    store.write(("UPDATE voice_events SET kind = 'Telepathy'", []))
    with pytest.raises(StoreError, match="event 0 of session talk-1, Telepathy, is not known here"):
        queries.read_events(store, "talk-1")
