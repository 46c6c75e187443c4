import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.clock import FastClock, RealtimeClock, fixed
from workbench.engines.base import AgentFrame
from workbench.engines.classic.line import Clause, Line
from workbench.engines.classic.speech_queue import AHEAD_SAMPLES, FADE_SAMPLES, SpeechQueue
from workbench.talk import Saying
from workbench.testing.tts import WORD_SAMPLES, ToneTts, tone_word


class Bench:
    """A queue on a fast clock, and what it told."""

    def __init__(self, tts: ToneTts | None = None, *, tts_ms: float = 0) -> None:
        self.clock = FastClock(fixed({"tts": tts_ms}))
        self.tts = tts or ToneTts()
        self.started: list[Line] = []
        self.ended: list[Line] = []
        self.notices: list[str] = []
        self.frames: list[AgentFrame] = []
        self.queue = SpeechQueue(
            self.clock, self.tts, None, on_start=self.started.append, on_end=self.ended.append, on_notice=self.notices.append
        )

    async def run(self, frames: int, *, held: bool = False) -> Pcm:
        for _ in range(frames):
            await self.clock.next_tick()
            await asyncio.sleep(0)  # tasks cancelled since the last tick come to their end
            self.frames.append(self.queue.take(self.clock.now_samples, held=held))
        return self.sound[-frames * FRAME_SAMPLES :]

    @property
    def sound(self) -> Pcm:
        return np.concatenate([frame.pcm for frame in self.frames])

    @property
    def words(self) -> list[tuple[str, int]]:
        """Words with the sample of the run at which each begins."""
        return [
            (piece.text, number * FRAME_SAMPLES + piece.offset_samples)
            for number, frame in enumerate(self.frames)
            for piece in frame.pieces
        ]

    def say(self, text: str) -> Line:
        line = Line(text, forced=True)
        line.closed = True
        line.saying = Saying(text, self.clock.signal(), line.words)
        self.queue.add(line)
        return line


async def test_sound_is_played_whole_and_in_order() -> None:
    bench = Bench()
    line = bench.say("aaaa bbbb. cccc.")
    await bench.run(14)
    begin = int(np.flatnonzero(bench.sound)[0])
    expected = np.concatenate([tone_word()] * 3)
    assert np.array_equal(bench.sound[begin : begin + len(expected)], expected)
    assert not bench.sound[begin + len(expected) :].any()
    assert bench.tts.said == ["aaaa bbbb.", "cccc."]
    assert line.saying is not None
    assert line.saying.done.is_set()
    assert (line.saying.words_heard, line.saying.words_asked, line.saying.interrupted) == (3, 3, False)
    assert line.saying.started_samples == FRAME_SAMPLES + begin
    assert bench.started == bench.ended == [line]
    assert bench.queue.underruns == 0


async def test_words_are_told_where_they_begin() -> None:
    bench = Bench()
    bench.say("aaaa bbbb cccc dddd")
    await bench.run(20)
    texts, starts = zip(*bench.words, strict=True)
    assert texts == (" aaaa", " bbbb", " cccc", " dddd")
    begin = int(np.flatnonzero(bench.sound)[0])
    for number, start in enumerate(starts):
        # The last word has no gap after it, so the others' shares are a little short of what they take.
        assert abs(start - (begin + number * WORD_SAMPLES)) <= WORD_SAMPLES // 6
    assert all(piece.forced for frame in bench.frames for piece in frame.pieces)


async def test_take_never_waits_for_a_slow_voice() -> None:
    bench = Bench(tts_ms=200)
    bench.say("aaaa bbbb")
    assert not (await bench.run(2)).any()
    await bench.run(10)
    assert bench.queue.underruns == 0
    late = Bench(tts_ms=400)
    late.say("aaaa bbbb cccc")
    await late.run(20)
    # 300 ms of sound come every 400 ms: two gaps inside the clause.
    assert late.queue.underruns == 2
    assert [word for word, _start in late.words] == [" aaaa", " bbbb", " cccc"]


async def test_stop_tells_what_was_heard_and_fades() -> None:
    bench = Bench()
    first, second = bench.say("aaaa bbbb cccc dddd."), bench.say("eeee.")
    await bench.run(5)
    before = bench.sound[-1]
    stopped = bench.queue.stop()
    assert (stopped.heard_text, stopped.cancelled_text) == ("aaaa bbbb", "cccc dddd. eeee.")
    after = await bench.run(3)
    assert abs(after[0] - before) < 0.05
    assert np.abs(after[FADE_SAMPLES - 24 : FADE_SAMPLES]).max() < 0.03
    assert not after[FADE_SAMPLES:].any()
    assert first.saying is not None
    assert second.saying is not None
    assert (first.saying.words_heard, first.saying.interrupted, first.saying.done.is_set()) == (2, True, True)
    assert (second.saying.words_heard, second.saying.interrupted, second.saying.done.is_set()) == (0, True, True)
    assert second.saying.started_samples is None
    assert bench.ended == [first, second]
    assert bench.queue.stop().heard_text == ""


async def test_stop_cancels_the_synthesis() -> None:
    bench = Bench(tts_ms=100)
    bench.say("aaaa bbbb cccc dddd")
    await bench.run(3)
    bench.queue.stop()
    await bench.run(10)
    assert bench.tts.closed_early == 1
    assert bench.tts.chunks < 4


async def test_what_comes_after_a_stop_is_said() -> None:
    bench = Bench()
    bench.say("aaaa bbbb cccc dddd.")
    await bench.run(5)
    bench.queue.stop()
    line = bench.say("eeee.")
    await bench.run(6)
    assert line.heard_text == "eeee."


async def test_hold_waits_for_the_end_of_the_clause() -> None:
    bench = Bench()
    line = bench.say("aaaa bbbb. cccc.")
    await bench.run(2)
    await bench.run(20, held=True)
    assert line.heard_text == "aaaa bbbb."
    await bench.run(6)
    assert line.heard_text == "aaaa bbbb. cccc."


async def test_synthesis_keeps_only_a_little_ahead() -> None:
    bench = Bench()
    bench.say(" ".join(["aaaa bbbb cccc dddd eeee ffff gggg hhhh."] * 10))
    await bench.run(2)
    assert bench.tts.chunks * WORD_SAMPLES <= AHEAD_SAMPLES + 8 * WORD_SAMPLES
    await bench.run(400)
    assert bench.tts.chunks == 80
    assert len(bench.words) == 80


async def test_standby_is_ready_and_silent() -> None:
    bench = Bench(tts_ms=100)
    line = Line("aaaa. bbbb.")
    bench.queue.stand_by(line)
    assert not (await bench.run(10)).any()
    assert bench.tts.said == ["aaaa."]
    line.closed = True
    bench.queue.add(line)
    await bench.run(1)
    assert [word for word, _start in bench.words] == [" aaaa."]
    await bench.run(10)
    assert line.heard_text == "aaaa. bbbb."


async def test_dropping_standby_leaves_what_is_said_alone() -> None:
    bench = Bench(tts_ms=100)
    said = bench.say("aaaa bbbb cccc dddd.")
    bench.queue.stand_by(Line("eeee."))
    await bench.run(4)
    bench.queue.stand_by(None)
    await bench.run(30)
    assert said.heard_text == "aaaa bbbb cccc dddd."
    assert bench.tts.closed_early == 0


async def test_a_failing_voice_is_told_and_ends_the_line() -> None:
    bench = Bench(ToneTts(fail_after_chunks=1))
    line = bench.say("aaaa bbbb. cccc.")
    await bench.run(10)
    assert line.saying is not None
    assert line.saying.done.is_set()
    assert (line.heard_text, line.unheard_text, line.saying.interrupted) == ("aaaa bbbb.", "cccc.", False)
    assert len(bench.notices) == 1
    assert "told to fail" in bench.notices[0]
    assert bench.ended == [line]


async def test_nothing_to_say_is_done_at_once() -> None:
    bench = Bench()
    line = bench.say("🍄")
    await bench.run(1)
    assert line.saying is not None
    assert line.saying.words_asked == 0
    assert line.saying.done.is_set()
    assert bench.started == []


async def test_silence_is_not_heard() -> None:
    class Mute(ToneTts):
        async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
            yield np.zeros(WORD_SAMPLES, dtype=np.float32)

    bench = Bench(Mute())
    line = bench.say("aaaa.")
    await bench.run(10)
    assert line.saying is not None
    assert (line.saying.words_heard, line.saying.started_samples, line.saying.done.is_set()) == (0, None, True)


@pytest.mark.parametrize("chunk", [1, 100, 1920, 7200, 50_000])
def test_every_word_is_told_once_whatever_the_chunks(chunk: int) -> None:
    clause = Clause("a bb ccc dddd eeeee ffffff")
    sound = np.concatenate([tone_word()] * 6)
    told: list[str] = []
    for start in range(0, len(sound), chunk):
        clause.feed(sound[start : start + chunk])
        told += [word for word, _offset in clause.take(chunk // 2 or 1, 1_600)[1]]
    clause.complete = True
    while not clause.ended:
        told += [word for word, _offset in clause.take(FRAME_SAMPLES, 1_600)[1]]
    assert told == clause.words


STEPS = st.one_of(
    st.tuples(st.just("say"), st.lists(st.sampled_from(["a", "bbb,", "ccccccc.", "dd"]), max_size=6).map(" ".join)),
    st.tuples(st.just("run"), st.integers(1, 12)),
    st.tuples(st.just("hold"), st.integers(1, 6)),
    st.tuples(st.just("stop"), st.none()),
)


@given(steps=st.lists(STEPS, max_size=12), tts_ms=st.sampled_from([0, 50, 350]), fail_after=st.sampled_from([None, 0, 3]))
def test_every_word_is_accounted_for(steps: list[tuple[str, Any]], tts_ms: float, fail_after: int | None) -> None:
    async def talk() -> None:
        bench = Bench(ToneTts(fail_after_chunks=fail_after), tts_ms=tts_ms)
        lines: list[Line] = []
        for step, value in steps:
            if step == "say":
                lines.append(bench.say(value))
            elif step == "stop":
                stopped = bench.queue.stop()
                assert not stopped.heard_text or lines
            else:
                await bench.run(value, held=step == "hold")
        await bench.run(400)
        assert bench.ended == lines
        assert [word.strip() for word, _start in bench.words] == " ".join(line.heard_text for line in lines).split()
        for line in lines:
            assert line.saying is not None
            assert line.saying.done.is_set()
            assert line.saying.words_heard == line.words_heard
            assert (line.heard_text + " " + line.unheard_text).split() == line.saying.text.split()
            assert (line.saying.started_samples is not None) == bool(line.words_heard)
            if fail_after is None and not line.saying.interrupted:
                assert line.unheard_text == ""
        assert bool(bench.notices) <= (fail_after is not None)

    asyncio.run(talk())


async def test_real_time_says_the_same() -> None:
    seconds = 0.0
    clock = RealtimeClock(monotonic=lambda: seconds)
    ended: list[Line] = []
    queue = SpeechQueue(clock, ToneTts(), None, on_start=lambda _line: None, on_end=ended.append, on_notice=pytest.fail)
    saying = queue.say("aaaa bbbb.")
    for frame in range(12):
        for _ in range(10):
            await asyncio.sleep(0)
        seconds += 0.08
        queue.take(frame * FRAME_SAMPLES)
    assert saying.words_heard == 2
    assert len(ended) == 1
