import numpy as np
import pytest

from workbench.audio.frames import Pcm
from workbench.engines.speech.level import MAX_GAIN_DB, PROBE_SAMPLES, Leveller


def speech(dbfs: float, seconds: float = 2.0) -> Pcm:
    """A tone with pauses."""
    n = int(16_000 * seconds)
    tone = np.sin(2 * np.pi * 200 * np.arange(n) / 16_000) * 2**0.5 * 10 ** (dbfs / 20)
    return (tone * (np.arange(n) % 6_400 < 4_800)).astype(np.float32)


def utterance(leveller: Leveller, sound: Pcm) -> Pcm:
    chunks = [leveller.push(sound[first : first + 1_280]) for first in range(0, len(sound), 1_280)]
    return np.concatenate([*chunks, leveller.finish()])


def level_dbfs(sound: Pcm) -> float:
    loud = sound[np.abs(sound) > 0.01 * np.abs(sound).max()]
    return float(10 * np.log10(np.mean(loud**2)))


@pytest.mark.parametrize("dbfs", [-12, -23, -38])
def test_every_speaker_comes_out_equally_loud_and_whole(dbfs: float) -> None:
    sound = speech(dbfs)
    out = utterance(Leveller(), sound)
    assert len(out) == len(sound)
    assert level_dbfs(out) == pytest.approx(-23, abs=1)


def test_the_gain_stands_still_within_an_utterance() -> None:
    sound = np.concatenate([speech(-30), speech(-20)])
    out = utterance(Leveller(), sound)
    heard = np.abs(sound) > 1e-4
    np.testing.assert_allclose((out[heard] / sound[heard]), (out[heard] / sound[heard])[0], rtol=1e-3)


def test_the_next_utterance_knows_the_speaker_and_does_not_wait() -> None:
    leveller = Leveller()
    assert leveller.push(speech(-38)[: PROBE_SAMPLES // 2]).size == 0
    utterance(leveller, speech(-38))
    out = leveller.push(speech(-38)[:1_280])
    assert out.size == 1_280
    assert level_dbfs(out) == pytest.approx(-23, abs=1.5)


def test_a_speaker_who_moves_away_is_followed() -> None:
    leveller = Leveller()
    levels = [level_dbfs(utterance(leveller, speech(dbfs))) for dbfs in (-18, -34, -34, -34, -34)]
    assert levels[1] < -35
    assert levels[-1] == pytest.approx(-23, abs=3)


def test_a_short_first_utterance_comes_out_at_its_end() -> None:
    assert level_dbfs(utterance(Leveller(), speech(-38, 0.4))) == pytest.approx(-23, abs=1)


def test_faint_noise_is_not_blown_up_without_bound() -> None:
    noise = np.full(32_000, 1e-5, np.float32)
    assert utterance(Leveller(), noise).max() == pytest.approx(1e-5 * 10 ** (MAX_GAIN_DB / 20), rel=1e-3)


def test_silence_and_nothing_pass() -> None:
    leveller = Leveller()
    assert not utterance(leveller, np.zeros(20_000, np.float32)).any()
    assert leveller.finish().size == 0
