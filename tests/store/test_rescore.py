"""Old talks under new definitions. The talks are held for real, in virtual time, and kept by the recorder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.store.talk_script import chosen, closed, opened, play, turn
from workbench.dynamics import barge_ins, definitions, segments, turns
from workbench.events import Event, SessionClosed, TurnEnded
from workbench.store.base import Store
from workbench.store.recorder import Recorder
from workbench.store.recovery import recover
from workbench.store.rescore import rescore
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine, ScriptedEngine
from workbench.testing.talks import pause, run_talk, spoken

CLIP = np.concatenate(
    [pause(0.5), spoken(1.0), pause(1.4), spoken(0.8), pause(1.6), spoken(0.3), pause(0.3), spoken(1.2), pause(0.2)],
)
"""The user speaks, breaks in on the answer, and is heard twice more with a pause between."""
WORDS = ["hello there", "wait", "no", "listen to me"]
REPLIES = ["one two three four five six seven eight nine ten", "eleven twelve thirteen fourteen fifteen", "good", "bye"]


@pytest.fixture
async def recorded(store: Store, tmp_path: Path) -> Store:
    recorder = Recorder(store, tmp_path / "audio")
    result = await run_talk(CLIP, engines=[ScriptedEngine(REPLIES)], asr=ScriptedAsr(WORDS), tones=True, observers=[recorder.observer()])
    assert result.of(SessionClosed)
    recorder.close()
    store.flush()
    return store


def derived(store: Store) -> dict[str, list[dict[str, object]]]:
    return {table: store.query(f"SELECT * FROM {table} ORDER BY id") for table in ("voice_turns", "voice_barge_in_events")}


def scored_by(store: Store) -> list[str | None]:
    return [row["scored_by"] for row in store.query("SELECT scored_by FROM voice_sessions")]


async def test_unchanged_definitions_change_nothing(recorded: Store) -> None:
    before = derived(recorded)
    assert len(before["voice_turns"]) >= 4
    assert any(row["interrupted"] for row in before["voice_turns"])
    assert [row["outcome"] for row in before["voice_barge_in_events"]].count("yielded") >= 1
    assert any(row["cancelled_text"] for row in before["voice_barge_in_events"])
    done = rescore(recorded, every=True)
    assert (done.changed, done.unchanged, done.failed) == ([], 1, {})
    assert derived(recorded) == before


async def test_a_full_duplex_talk_is_derived_alike(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path / "audio")
    await run_talk(CLIP, engines=[EchoEngine()], asr=ScriptedAsr(WORDS), tones=True, observers=[recorder.observer()])
    recorder.close()
    store.flush()
    before = derived(store)
    assert before["voice_turns"]
    assert rescore(store, every=True).changed == []
    assert derived(store) == before


async def test_talks_scored_by_todays_definitions_are_not_looked_at(recorded: Store) -> None:
    assert scored_by(recorded) == [definitions.version()]
    done = rescore(recorded)
    assert (done.changed, done.unchanged) == ([], 0)


async def test_a_changed_definition_scores_old_talks_again(recorded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = derived(recorded)
    old_version = definitions.version()
    # Stopping within 50 ms is now what yielding means: the agent that needed longer talked on.
    monkeypatch.setattr(barge_ins, "YIELD_WINDOW_MS", 50)
    done = rescore(recorded)
    assert done.version != old_version
    assert done.changed == ["test-session"]
    assert scored_by(recorded) == [done.version]
    after = derived(recorded)
    assert [row["outcome"] for row in before["voice_barge_in_events"]] != [row["outcome"] for row in after["voice_barge_in_events"]]
    assert {row["event_id"] for row in after["voice_barge_in_events"]} == {row["event_id"] for row in before["voice_barge_in_events"]}
    assert after["voice_turns"] == before["voice_turns"], "turns do not depend on it"

    monkeypatch.undo()
    assert rescore(recorded).changed == ["test-session"]
    assert derived(recorded) == before, "back under the old definition, row for row"


async def test_turns_that_come_and_go_keep_the_ids_of_those_that_stay(recorded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = derived(recorded)["voice_turns"]
    monkeypatch.setattr(turns, "TURN_PAUSE_MS", 0)
    monkeypatch.setattr(segments, "IPU_PAUSE_MS", 10)
    rescore(recorded)
    after = derived(recorded)["voice_turns"]
    assert len(after) > len(before)
    stayed = {(row["speaker"], row["start_ms"]): row["turn_id"] for row in before}
    same = [row for row in after if (row["speaker"], row["start_ms"]) in stayed]
    assert same
    assert all(row["turn_id"] == stayed[row["speaker"], row["start_ms"]] for row in same)
    monkeypatch.undo()
    rescore(recorded)
    kept = [{key: value for key, value in row.items() if key not in ("id", "turn_id")} for row in derived(recorded)["voice_turns"]]
    assert sorted(kept, key=str) == sorted(
        ({key: value for key, value in row.items() if key not in ("id", "turn_id")} for row in before), key=str
    )


async def test_a_crashed_talk_gets_the_turns_it_was_too_late_for(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path / "audio", recording=False)

    class CutOff:
        """Sees the talk up to the moment before its last turn is settled."""

        def __init__(self) -> None:
            self.observer = recorder.observer()
            self.over = False

        def on_event(self, event: Event) -> None:
            self.over |= isinstance(event, TurnEnded)
            if not self.over:
                self.observer.on_event(event)

        def on_frame(self, start_samples: int, user: object, agent: object) -> None: ...

    await run_talk(CLIP, engines=[ScriptedEngine(REPLIES)], asr=ScriptedAsr(WORDS), tones=True, observers=[CutOff()])
    store.flush()
    recover(store, tmp_path / "audio")
    assert derived(store)["voice_turns"] == []
    assert scored_by(store) == [None]
    assert rescore(store).changed == ["test-session"]
    assert [row["speaker"] for row in derived(store)["voice_turns"]][:1] == ["user"]


def test_conversations_in_text_are_left_as_they_are(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path / "audio", recording=False)
    play(recorder.observer(), opened("text-talk"), chosen("text"), turn("t-1", "user", 1, 1), turn("t-2", "agent", 1, 2), closed(3))
    store.flush()
    before = derived(store)
    done = rescore(store, every=True)
    assert (done.without_speech, done.changed) == (1, [])
    assert derived(store) == before


def test_a_talk_with_an_event_of_a_newer_version_is_left_and_told(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path / "audio", recording=False)
    play(recorder.observer(), opened("odd"), chosen(), turn("t-1", "user", 1, 2), closed(3))
    store.flush()
    store.write(("UPDATE voice_events SET kind = 'FromTheFuture' WHERE seq = 1", []))
    done = rescore(store, every=True)
    assert "FromTheFuture" in done.failed["odd"]
    assert len(derived(store)["voice_turns"]) == 1


def test_every_constant_of_the_definitions_is_in_their_version() -> None:
    named = {name for module in (turns, segments, barge_ins) for name in vars(module) if name.endswith("_MS") and name != "SAMPLES_PER_MS"}
    assert definitions.constants().keys() >= named
