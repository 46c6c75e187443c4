"""The scripted user by itself: steps at their sample, cues, noise at its level, echo at its delay, the same seed the same user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evaluation.scenario import Noise, Scenario
from evaluation.scenario_files import ScenarioError
from evaluation.scripted_user import ScriptedUser
from evaluation.user_sound import LEVEL_DB, at_level, level_db, noise_between, noise_of, render
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from workbench.dynamics.segments import Segment
from workbench.events import AgentSpeech, AgentText, Event, ToolFinished, ToolStarted
from workbench.testing.talks import spoken
from workbench.testing.tts import WORD_SAMPLES, ToneTts

SOUND = np.full(3_000, 0.5, np.float32)


def scenario(*steps: dict[str, Any], **rest: Any) -> Scenario:
    """Steps `a`, `b`, ... that say something, unless they say otherwise."""
    said = [{"do": "say", "id": name, "text": "words", **step} for name, step in zip("abcdef", steps, strict=False)]
    return Scenario.model_validate(
        {"id": "s", "category": "tools", "about": "a", "user": said, "expect": [{"expect": "no_tool"}], **rest},
    )


class Played:
    """Plays frames of a scenario; `events` come while the frame of their `noticed_samples` is played."""

    def __init__(self, script: Scenario, *, seconds: float, seed: int = 0, events: Sequence[Event] = (), agent: Pcm | None = None) -> None:
        self.typed: list[str] = []
        self.user = ScriptedUser(script, dict.fromkeys("abcdef", SOUND), seed=seed, write=self.typed.append)
        frames = []
        for start in range(0, round(seconds * SAMPLE_RATE), FRAME_SAMPLES):
            end = start + FRAME_SAMPLES
            frames.append(self.user.take(FRAME_SAMPLES, end).pcm)
            for event in events:
                if start <= event.noticed_samples < end:
                    self.user.on_event(event)
            if agent is not None:
                self.user.on_frame(start, frames[-1], agent[start:end])
        self.sound = np.concatenate(frames)
        assert all(frame.size == FRAME_SAMPLES for frame in frames)

    def sounding(self) -> list[Segment]:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], self.sound != 0, [0]]).astype(int)))
        return [Segment(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def ms(value: float) -> int:
    return round(value * 24)


def test_steps_begin_at_their_very_sample_and_the_spans_are_what_sounds() -> None:
    played = Played(scenario({}, {"when": {"after": "a", "offset_ms": 123.5}}, {"when": {"at_ms": 1_000.125}}), seconds=2)
    begins = [ms(500), ms(500) + 3_000 + ms(123.5), 24_003]
    assert list(played.user.spans.values()) == [Segment(begin, begin + 3_000) for begin in begins] == played.sounding()
    assert played.user.exhausted
    assert played.user.missed == []


def test_a_step_without_a_moment_follows_without_a_gap_and_two_can_sound_at_once() -> None:
    played = Played(scenario({}, {}, {"when": {"at_ms": 600}}), seconds=2)
    assert played.sounding() == [Segment(ms(500), ms(500) + 6_000)]
    # The third was due at 600 ms, but never comes before the second has begun.
    assert played.user.spans["c"].start == played.user.spans["b"].start
    together = Played(scenario({"when": {"at_ms": 500}}, {"when": {"at_ms": 550}}), seconds=1)
    assert together.sound.max() == 1.0


def test_the_seed_moves_a_step_by_its_jitter_and_by_nothing_else() -> None:
    script = scenario({"when": {"at_ms": 500, "jitter_ms": 200}})
    starts = [Played(script, seconds=1, seed=seed).user.spans["a"].start for seed in (1, 1, 2, 3, 4)]
    assert starts[0] == starts[1]
    assert len(set(starts)) == 4
    assert all(ms(500) <= start <= ms(700) for start in starts)


def speech(edge: Any, at_ms: float, later_ms: float = 100) -> AgentSpeech:
    return AgentSpeech(at_samples=ms(at_ms), noticed_samples=ms(at_ms + later_ms), edge=edge, detector="energy")


def text(at_ms: float, words: str) -> AgentText:
    return AgentText(at_samples=ms(at_ms), noticed_samples=ms(at_ms), text=words)


TOOL = {"invocation_id": "i", "tool": "t"}
TALKS: list[Event] = [
    speech("start", 1_000),
    speech("stop", 1_400),
    speech("start", 2_000),
    *(text(2_000, " Hel"), text(2_100, "lo"), text(2_300, " there,"), text(2_500, " friend.")),
    ToolStarted(at_samples=ms(2_600), noticed_samples=ms(2_600), **TOOL, utterance_id="u", provider="p", arguments={}, tier="read"),
    ToolFinished(at_samples=ms(2_700), noticed_samples=ms(2_700), **TOOL, result={}, spoken="", latency_ms=100),
    speech("stop", 2_800),
]


@pytest.mark.parametrize(
    ("when", "at_ms"),
    [
        ({"cue": "talk_start"}, 0),
        ({"cue": "talk_start", "offset_ms": 700}, 700),
        ({"cue": "agent_starts", "offset_ms": 300}, 1_300),
        ({"cue": "agent_starts", "nth": 2, "offset_ms": 300}, 2_300),
        ({"cue": "agent_stops", "offset_ms": 300}, 1_700),
        # The third word: pieces of one word are one.
        ({"cue": "agent_words", "nth": 3, "offset_ms": 200}, 2_700),
        ({"cue": "tool_started", "offset_ms": 200}, 2_800),
        ({"cue": "tool_finished", "offset_ms": 200}, 2_900),
        # A detector is sure 100 ms later: the first frame after that, as a person reacts to what was heard.
        ({"cue": "agent_starts"}, 1_120),
    ],
)
def test_a_cue_counts_from_the_event_and_never_from_before_it_was_known(when: dict[str, Any], at_ms: float) -> None:
    played = Played(scenario({"when": when}), seconds=4, events=TALKS)
    assert played.user.spans["a"].start == ms(at_ms)


def test_a_cue_counts_from_the_end_of_the_step_before() -> None:
    played = Played(scenario({"when": {"at_ms": 1_200}}, {"when": {"cue": "agent_stops", "offset_ms": 500}}), seconds=4, events=TALKS)
    assert played.user.spans["b"].start == ms(1_900)
    # It was speaking already when the step before had ended: that is its start.
    speaking = Played(scenario({"when": {"at_ms": 1_200}}, {"when": {"cue": "agent_starts", "offset_ms": 500}}), seconds=4, events=TALKS)
    assert speaking.user.spans["b"].start == ms(1_200) + 3_000 + ms(500)


def test_a_cue_that_does_not_come_is_missed_and_told_and_the_next_step_goes_on() -> None:
    played = Played(scenario({"when": {"cue": "tool_started", "within_ms": 1_000}}, {"when": {"after": "a", "offset_ms": 100}}), seconds=3)
    assert played.user.missed == ["a"]
    assert list(played.user.spans) == ["b"]
    assert ms(1_100) <= played.user.spans["b"].start <= ms(1_200)
    assert played.user.exhausted


def test_typed_words_are_written_once_and_make_no_sound() -> None:
    script = Scenario.model_validate(
        {
            "id": "s",
            "category": "tools",
            "about": "a",
            "user": [{"do": "type", "id": "a", "text": "Hello.", "when": {"at_ms": 300}}],
            "expect": [{"expect": "no_tool"}],
        }
    )
    played = Played(script, seconds=1)
    assert (played.typed, played.user.spans, played.sounding()) == (["Hello."], {"a": Segment(ms(300), ms(300) + 1)}, [])


def test_the_echo_is_the_agents_sound_later_and_softer() -> None:
    agent = np.zeros(2 * SAMPLE_RATE, np.float32)
    agent[ms(200) : ms(400)] = 0.5
    played = Played(scenario({"when": {"at_ms": 1_500}}, echo={"delay_ms": 100.5, "gain_db": -20}), seconds=2, agent=agent)
    assert played.sounding()[0] == Segment(ms(300.5), ms(500.5))
    assert played.sound[ms(350)] == pytest.approx(0.05)


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_noise_is_as_far_below_speech_as_asked_and_only_where_asked(kind: Any) -> None:
    script = scenario({"when": {"at_ms": 3_000}}, noise=[{"kind": kind, "snr_db": 10, "from_ms": 500, "to_ms": 2_500}])
    played = Played(script, seconds=2.8)
    assert not played.sound[: ms(500)].any()
    assert not played.sound[ms(2_500) :].any()
    noise = played.sound[ms(500) : ms(2_500)].astype(np.float64)
    assert 10 * np.log10(np.mean(np.square(noise))) == pytest.approx(LEVEL_DB - 10, abs=1)
    assert not np.array_equal(played.sound, Played(script, seconds=2.8, seed=1).sound)


def test_pink_noise_falls_by_three_decibels_an_octave() -> None:
    scene = scenario({})
    power = np.square(np.abs(np.fft.rfft(noise_of(Noise(kind="pink", snr_db=0), scene.folder, 0))))
    hz = np.fft.rfftfreq(240_000, 1 / SAMPLE_RATE)
    octaves = [10 * np.log10(power[(hz >= low) & (hz < 2 * low)].mean()) for low in (250, 500, 1_000, 2_000)]
    assert np.diff(octaves) == pytest.approx([-3, -3, -3], abs=0.4)


def test_babble_without_voices_is_an_error_that_says_where_they_belong() -> None:
    with pytest.raises(ScenarioError, match="babble needs 4 clips"):
        ScriptedUser(scenario({}, noise=[{"kind": "babble", "snr_db": 10}]), {}, seed=0, write=lambda _text: None)


def test_noise_repeats_without_a_seam() -> None:
    noise = Noise(kind="white", snr_db=10)
    period = noise_of(noise, scenario({}).folder, 3)
    across = noise_between(noise, period, period.size - 10, 20)
    assert np.array_equal(across, np.concatenate([period[-10:], period[:10]]))


def test_every_voice_is_brought_to_one_level_by_what_sounds_of_it() -> None:
    quiet = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), spoken(1.0, level=0.01), np.zeros(SAMPLE_RATE, np.float32)])
    assert level_db(at_level(quiet)) == pytest.approx(LEVEL_DB, abs=0.1)
    assert level_db(at_level(spoken(1.0), gain_db=-6)) == pytest.approx(LEVEL_DB - 6, abs=0.1)
    with pytest.raises(ValueError, match="silent"):
        at_level(np.zeros(100, np.float32))


async def test_words_are_synthesised_at_the_level_of_the_step() -> None:
    tts = ToneTts()
    sounds = await render(scenario({"text": "three words here", "gain_db": -3}), tts)
    assert (tts.said, sounds["a"].size) == (["three words here"], 3 * WORD_SAMPLES)
    assert level_db(sounds["a"]) == pytest.approx(LEVEL_DB - 3, abs=0.1)
    with pytest.raises(ScenarioError, match="has no voice 'nobody'"):
        await render(scenario({"voice": "nobody"}), tts)
    with pytest.raises(ScenarioError, match="no synthesiser"):
        await render(scenario({}), None)
