from __future__ import annotations

import json
from typing import Any

import numpy as np

from workbench import events
from workbench.app.feed import KEPT_EVENTS, KEPT_FRAMES, WAITING_EVENTS, TalkFeed, Viewer
from workbench.app.levels import LEVELS_PER_FRAME
from workbench.audio.frames import FRAME_SAMPLES, silence
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import pause, run_talk, spoken


def words(text: str, utterance: str = "u", *, final: bool = False) -> events.UserText:
    return events.UserText(at_samples=0, noticed_samples=0, utterance_id=utterance, text=text, final=final, start_samples=0, source="asr")


def hear(feed: TalkFeed, frames: int, first: int = 0) -> None:
    loud = np.full(FRAME_SAMPLES, 0.5, dtype=np.float32)
    for frame in range(first, first + frames):
        feed.on_frame(frame * FRAME_SAMPLES, silence(), loud)


async def test_what_waits_comes_as_one_update() -> None:
    feed, viewer = TalkFeed("s"), Viewer()
    feed.watch(viewer)
    (snapshot,) = await viewer.take()
    assert snapshot["type"] == "talk"
    hear(feed, 3)
    feed.on_event(words("go"))
    feed.on_event(words("go on"))
    (update,) = await viewer.take()
    assert (update["frame"], len(update["user"]), len(update["agent"])) == (0, 3 * LEVELS_PER_FRAME, 3 * LEVELS_PER_FRAME)
    assert set(update["agent"]) == {-6}
    assert [event["text"] for event in update["events"]] == ["go", "go on"]
    json.dumps(update, allow_nan=False)


async def test_a_late_viewer_gets_the_state_so_far() -> None:
    feed = TalkFeed("s")
    hear(feed, KEPT_FRAMES + 10)
    feed.on_event(words("a guess"))
    feed.on_event(words("the words", final=True))
    feed.on_event(words("next", "v"))
    viewer = Viewer()
    feed.watch(viewer)
    (snapshot,) = await viewer.take()
    assert snapshot["frame"] == 10
    assert len(snapshot["user"]) == KEPT_FRAMES * LEVELS_PER_FRAME
    assert [event["text"] for event in snapshot["events"]] == ["the words", "next"]
    assert snapshot["measures"]["reply"]["last"] is None


async def test_a_slow_viewer_loses_the_oldest_and_is_told() -> None:
    feed, slow = TalkFeed("s"), Viewer()
    feed.watch(slow)
    await slow.take()
    hear(feed, KEPT_FRAMES + 25)
    for number in range(WAITING_EVENTS + 5):
        feed.on_event(words(str(number), str(number)))
    (update,) = await slow.take()
    assert update["missed"] == 30
    assert update["frame"] == 25
    assert (update["events"][0]["text"], update["events"][-1]["text"]) == ("5", str(WAITING_EVENTS + 4))


async def test_a_talk_of_hours_is_bounded() -> None:
    feed = TalkFeed("s")
    for number in range(KEPT_EVENTS + 500):
        feed.on_event(words(str(number), str(number)))
    kept = feed.snapshot()["events"]
    assert len(kept) == KEPT_EVENTS
    assert kept[0]["text"] == "500"


async def test_who_left_is_told_nothing_more() -> None:
    feed, viewer, other = TalkFeed("s"), Viewer(), Viewer()
    for each in (viewer, other):
        feed.watch(each)
        await each.take()
    feed.leave(viewer)
    feed.leave(viewer)
    feed.on_event(words("a"))
    viewer.tell({"type": "ping"})
    assert await viewer.take() == [{"type": "ping"}]
    assert (await other.take())[0]["events"][0]["text"] == "a"


async def test_a_new_talk_voids_what_waited_of_the_last() -> None:
    old, new, viewer = TalkFeed("old"), TalkFeed("new"), Viewer()
    old.watch(viewer)
    old.on_event(words("stale"))
    hear(old, 2)
    new.watch(viewer)
    messages = await viewer.take()
    assert [message["session_id"] for message in messages] == ["old", "new"]
    assert not any(message["type"] == "update" for message in messages)


async def test_a_whole_talk_as_it_is_seen() -> None:
    feed = TalkFeed("test-session")
    clip = np.concatenate([pause(0.4), spoken(1.0), pause(3.0)])
    result = await run_talk(
        clip, engines=[ScriptedEngine(["Hello there friend."])], asr=ScriptedAsr(["good morning"]), tones=True, observers=[feed]
    )
    seen: dict[str, Any] = feed.snapshot()
    kinds = [event["kind"] for event in seen["events"]]
    assert kinds[0] == "SessionOpened"
    assert kinds[-1] == "SessionClosed"
    said = "".join(event["text"] for event in seen["events"] if event["kind"] == "AgentText")
    assert said.split() == ["Hello", "there", "friend."]
    assert max(seen["user"]) > -30
    assert max(seen["agent"]) > -30
    (reply,) = [turn.latency_ms for turn in result.of(events.TurnEnded) if turn.speaker == "agent"]
    assert reply is not None
    assert seen["measures"]["reply"]["last"] == round(reply, 1)
