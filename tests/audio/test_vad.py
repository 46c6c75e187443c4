import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.audio.frames import Pcm
from workbench.audio.vad import ONSET_LAG_MS, Detector, EnergyDetector, SileroVad, SpeechDetector, SpeechEdge

CLIPS = Path(__file__).parents[1] / "data" / "audio"
WORDS: dict[str, list[list[float]]] = json.loads((CLIPS / "alignment.json").read_text())["clips"]


def clip(name: str) -> Pcm:
    sound, rate = soundfile.read(CLIPS / name, dtype="float32")
    assert rate == 16_000
    return np.concatenate([sound, np.zeros(16_000, np.float32)])


def heard(detector: Detector, sound: Pcm, chunk: int) -> list[SpeechEdge]:
    return [edge for first in range(0, len(sound), chunk) for edge in detector.push(sound[first : first + chunk])]


def noises() -> dict[str, Pcm]:
    random = np.random.default_rng(1)
    n = 20 * 16_000
    brown = np.cumsum(random.standard_normal(n))
    brown -= np.convolve(brown, np.ones(1_600) / 1_600, "same")
    clicks = np.zeros(n)
    for first in random.integers(0, n - 100, 100):
        clicks[first : first + 100] += 0.7 * random.standard_normal(100) * np.exp(-np.arange(100) / 15)
    seconds = np.arange(n) / 16_000
    hum = 0.2 * np.sin(2 * np.pi * 50 * seconds) + 0.05 * np.sin(2 * np.pi * 150 * seconds)
    return {
        name: sound.astype(np.float32)
        for name, sound in {
            "white": 0.1 * random.standard_normal(n),
            "brown": 0.5 * brown / np.abs(brown).max(),
            "clicks": clicks,
            "hum": hum,
        }.items()
    }


@pytest.mark.parametrize("name", ["white", "brown", "clicks", "hum"])
def test_noise_is_no_speech(name: str) -> None:
    detector = SpeechDetector()
    assert heard(detector, noises()[name], 1_280) == []
    assert not detector.speaking
    assert detector.silence_samples == detector.position


@pytest.mark.parametrize("name", ["forever_2.wav", "fw_left.wav", "librivox_0880.wav", "one_two_three.wav", "digit_two.wav"])
def test_speech_is_found_where_its_words_are(name: str) -> None:
    edges = heard(SpeechDetector(hold_ms=700), clip(name), 1_280)
    assert [edge.edge for edge in edges] == ["start", "stop"]
    start, stop = edges
    assert start.at / 16_000 == pytest.approx(WORDS[name][0][1], abs=0.2)
    assert stop.at / 16_000 == pytest.approx(WORDS[name][-1][2], abs=0.25)
    assert start.at < start.decided <= stop.at < stop.decided


def test_probabilities_are_those_of_sileros_own_wrapper() -> None:
    published = [0.002, 0.007, 0.009, 0.008, 0.056, 0.020, 0.012, 0.010, 0.009, 0.464, 0.878, 0.999, 1.0, 0.999, 0.999, 0.999]
    published += [1.0, 0.999, 0.999, 0.996, 0.979, 0.724, 0.187, 0.044, 0.025, 0.019, 0.016, 0.010, 0.015, 0.015, 0.014]
    vad, sound = SileroVad(), clip("digit_two.wav")
    np.testing.assert_allclose([vad.probability(sound[n * 512 : (n + 1) * 512]) for n in range(31)], published, atol=2e-3)


@pytest.mark.parametrize("windows", [1, 2, 4])
def test_a_start_takes_so_many_windows_in_a_row(windows: int) -> None:
    start = heard(SpeechDetector(start_windows=windows), clip("digit_two.wav"), 512)[0]
    assert start.decided - start.at == windows * 512 + ONSET_LAG_MS * 16


def test_chunk_size_changes_nothing() -> None:
    sound = clip("librivox_0920.wav")
    expected = heard(SpeechDetector(), sound, len(sound))
    assert len(expected) >= 2
    assert [edge.at for edge in expected] == sorted(edge.at for edge in expected)
    for chunk in (1, 160, 511, 1_280, 5_000):
        part = sound[: 16_000 * 2] if chunk == 1 else sound
        whole = [edge for edge in expected if edge.decided <= len(part) // 512 * 512]
        assert heard(SpeechDetector(), part, chunk) == whole


def test_silence_grows_within_the_hold_and_is_broken_by_speech() -> None:
    detector = SpeechDetector(hold_ms=1_000)
    sound = clip("one_two_three.wav")
    stop_of_speech = heard(SpeechDetector(hold_ms=200), sound, 512)[-1]
    longest = 0
    for first in range(0, len(sound) - 512, 512):
        detector.push(sound[first : first + 512])
        if detector.speaking:
            longest = max(longest, detector.silence_samples)
        if detector.position == stop_of_speech.decided:
            assert detector.speaking
            assert detector.silence_samples >= 200 * 16
    assert 700 * 16 < longest < 1_000 * 16 + 512


def test_two_streams_do_not_disturb_each_other() -> None:
    sound = clip("digit_two.wav")
    alone = heard(SpeechDetector(), sound, 512)
    one, other = SpeechDetector(), SpeechDetector()
    noise = noises()["white"]
    found = []
    for first in range(0, len(sound), 512):
        other.push(noise[first : first + 512])
        found += one.push(sound[first : first + 512])
    assert found == alone


def test_finish_closes_what_is_open() -> None:
    detector = SpeechDetector()
    assert detector.finish() == []
    sound = clip("goforward.wav")[: 16_000 * 3 // 2]
    assert [edge.edge for edge in detector.push(sound)] == ["start"]
    (stop,) = detector.finish()
    assert stop.edge == "stop"
    assert stop.decided == detector.position
    assert detector.finish() == []


def test_energy_edges_are_exact_to_the_block() -> None:
    sound = np.zeros(24_000 * 2, np.float32)
    sound[4_800:12_000] = 0.1 * np.sin(np.arange(7_200) * 0.1)
    sound[14_400:16_800] = 0.1
    for chunk in (100, 1_920, 48_000):
        detector = EnergyDetector()
        assert heard(detector, sound, chunk) == [SpeechEdge("start", 4_800, 5_040), SpeechEdge("stop", 16_800, 21_600)]
        assert detector.silence_samples == 48_000 - 16_800


def test_energy_ignores_what_is_below_its_threshold() -> None:
    faint = np.full(24_000, 10 ** (-50 / 20), np.float32)
    assert EnergyDetector().push(faint) == []
    assert [edge.edge for edge in EnergyDetector(threshold_dbfs=-55).push(faint)] == ["start"]


def test_the_models_are_opened_without_the_packages_around_them() -> None:
    code = (
        "import sys; from workbench.audio.vad import SpeechDetector; from workbench.audio.end_of_turn import EndOfTurn;"
        "SpeechDetector(); EndOfTurn(); print([m for m in ('torch', 'pipecat', 'librosa', 'scipy', 'gradio') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
