"""The agent is held while a tool works, and never longer."""

from __future__ import annotations

import pytest
from bridge_stage import Stage

from workbench.audio.frames import silence
from workbench.bridge.delivery import Delivered, Delivery
from workbench.bridge.hold import Hold
from workbench.bridge.invocation import Timing
from workbench.events import EngineChosen
from workbench.testing.talk import FakeTalk
from workbench.testing.tools import Script


@pytest.fixture
def talk() -> FakeTalk:
    return FakeTalk()


async def test_two_reasons_hold_until_the_last_is_over(talk: FakeTalk) -> None:
    hold = Hold(talk)
    hold.begin("a", 5_000)
    await talk.run_ms(1_040)
    hold.begin("b", 2_000)
    hold.end("a")
    hold.end("a")
    hold.end("b")
    assert talk.holds == [5_000, 3_960, 2_000, 0]


async def test_nothing_is_ordered_while_something_is_said_and_what_is_left_holds_again(talk: FakeTalk) -> None:
    hold = Hold(talk)
    delivery = Delivery(talk, hold)
    talk.observe(hold)
    hold.begin("a", 5_000)
    saying = talk.clock.spawn(delivery.deliver("one two three four", lambda _delivered: None), "test")
    await talk.run_ms(320)
    hold.begin("b", 8_000)
    hold.end("a")
    assert talk.holds == [5_000]
    await talk.run_until(saying.done)
    assert talk.holds == [5_000, pytest.approx(7_120, abs=80)]
    assert not saying.cancelled()


async def test_a_delivery_ends_its_reason_and_leaves_the_engines_own_hold_after_a_barge_in_alone(talk: FakeTalk) -> None:
    hold = Hold(talk)
    delivery = Delivery(talk, hold)
    hold.begin("a", 5_000)
    talk.cut_next(2)
    went: list[Delivered] = []
    saying = talk.clock.spawn(delivery.deliver("one two three four", went.append, ends="a"), "test")
    await talk.run_until(saying.done)
    assert [(delivered.words_heard, delivered.interrupted) for delivered in went] == [(2, True)]
    assert talk.holds == [5_000]


@pytest.mark.parametrize(("can_say", "host_can_say", "drops"), [(False, True, 0), (False, False, 0), (True, True, 1), (True, False, 1)])
async def test_where_the_engine_did_not_speak_the_agent_is_let_go(can_say: bool, host_can_say: bool, drops: int) -> None:
    talk = FakeTalk(can_say=can_say, host_can_say=host_can_say)
    hold = Hold(talk)
    talk.drop_next = drops
    hold.begin("a", 5_000)
    saying = talk.clock.spawn(Delivery(talk, hold).deliver("one two", lambda _delivered: None, ends="a"), "test")
    await talk.run_until(saying.done)
    assert talk.holds == [5_000, 0]


async def test_a_long_reason_is_ordered_again_before_the_order_runs_out(talk: FakeTalk) -> None:
    hold = Hold(talk)
    hold.begin("a", 45_000)
    while talk.clock.now_samples < 46 * 24_000:
        await talk.run_ms(80)
        hold.on_frame(talk.clock.now_samples, silence(), silence())
    assert talk.holds == [20_000, 20_000, pytest.approx(6_900, abs=160)]
    hold.end("a")
    assert talk.holds[-1] == 0


async def test_a_new_engine_is_held_like_the_old_one(talk: FakeTalk) -> None:
    hold = Hold(talk)
    talk.observe(hold)
    talk.publish(EngineChosen, engine="first", requested="auto", reason="a test")
    assert talk.holds == []
    hold.begin("a", 5_000)
    await talk.run_ms(1_040)
    talk.publish(EngineChosen, engine="second", requested="auto", reason="a test")
    hold.end("a")
    talk.publish(EngineChosen, engine="third", requested="auto", reason="a test")
    assert talk.holds == [5_000, 3_960, 0]


async def test_agent_is_held_from_intent_to_delivery() -> None:
    stage = Stage({"weather": Script(slow_ms=1_000)})
    await stage.talk.hear(stage.bridge, "how is the weather")
    await stage.talk.run_ms(80)
    assert stage.talk.holds == [5_000]
    await stage.talk.run_ms(5_000)
    assert stage.talk.holds == [5_000], "the engine's own speech ended it"


async def test_filler_only_after_the_wait_and_never_after_the_result() -> None:
    quick = Stage({"weather": Script("It rains.", slow_ms=1_400)})
    slow = Stage({"weather": Script("It rains.", slow_ms=1_600)})
    await quick.hear("how is the weather")
    await slow.hear("how is the weather")
    assert quick.talk.texts == ["It rains."]
    assert slow.talk.texts == ["One moment.", "It rains."]


async def test_hold_is_renewed_after_a_filler() -> None:
    stage = Stage({"weather": Script("It rains.", slow_ms=4_000)})
    await stage.hear("how is the weather")
    assert stage.talk.holds[0] == 5_000
    # "One moment." takes 600 ms from 1,500 ms on.
    assert stage.talk.holds[1] == pytest.approx(2_900, abs=80)


async def test_a_result_that_comes_during_the_filler_is_not_held_back() -> None:
    stage = Stage({"weather": Script("It rains.", slow_ms=1_700)})
    await stage.hear("how is the weather")
    assert stage.talk.texts == ["One moment.", "It rains."]
    assert stage.talk.holds == [5_000]


async def test_the_agent_is_free_at_once_when_the_call_is_called_off_and_after_an_apology() -> None:
    called_off = Stage({"weather": Script(slow_ms=3_000)}, talk=FakeTalk(can_say=False), timing=Timing(filler=""))
    await called_off.hear("how is the weather", wait_ms=1_040)
    await called_off.hear("never mind")
    failing = Stage({"weather": Script(error="no", slow_ms=500)}, talk=FakeTalk(can_say=False, host_can_say=False))
    await failing.hear("how is the weather")
    assert called_off.talk.holds == [5_000, 0]
    assert failing.talk.holds == [5_000, 0]
    assert failing.notices == [("i1", "apology", "card", 0)]
