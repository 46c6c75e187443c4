"""Detectors on sound whose edges are known, their bias table, and the labelled recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation import detector_bias, hotato, human_recordings
from evaluation.detector_bias import Condition, bias_of, hard_cut, load_sounds, measure, measured
from evaluation.detectors import Activity, energy_activity, energy_segments, frame_levels, rounded, silero_segments, to_vad_rate
from workbench.audio.frames import Pcm

DATA = Path(__file__).parents[1] / "data"
RATE = 16_000


def bursts(length_s: float, *edges: tuple[float, float], dbfs: float = -25.0, seed: int = 0) -> Pcm:
    """Noise at -80 dBFS with louder noise between the edges, in seconds."""
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, 10 ** (-80 / 20), round(length_s * RATE))
    for start, end in edges:
        part = slice(round(start * RATE), round(end * RATE))
        audio[part] = rng.normal(0, 10 ** (dbfs / 20), part.stop - part.start)
    return audio.astype(np.float32)


def test_energy_finds_edges_to_a_frame_and_bridges_the_hangover() -> None:
    found = energy_segments(bursts(5, (1.0, 1.5), (1.6, 2.0), (2.5, 3.0)), RATE)
    assert np.allclose(found, [(1.0, 2.0), (2.5, 3.0)], atol=0.021)


def test_the_trimmed_track_ends_at_the_last_loud_frame_and_the_held_one_150_ms_later() -> None:
    activity: Activity = energy_activity(bursts(5, (1.0, 2.0)), RATE)
    assert activity.trimmed.sum() + 15 == activity.held.sum()
    assert activity.noise_dbfs == pytest.approx(-80, abs=1)
    assert activity.threshold_dbfs == -60


def test_a_channel_that_is_never_silent_still_has_speech() -> None:
    assert energy_segments(bursts(3, (0.0, 3.0)), RATE)[0] == (0.0, 3.0)
    assert energy_segments(np.zeros(RATE, np.float32), RATE) == []
    with pytest.raises(ValueError, match="holds no samples"):
        energy_segments(np.zeros(0, np.float32), RATE)


def test_levels_are_rms_in_dbfs() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE)).astype(np.float32)
    assert frame_levels(tone, RATE)[:-2] == pytest.approx(-9.03, abs=0.05)
    assert frame_levels(np.zeros(RATE, np.float32), RATE).max() == -120


def test_silero_at_another_rate_finds_the_same_speech() -> None:
    (clip, *_) = load_sounds(DATA / "audio")["utterance"]
    audio = np.concatenate([np.zeros(RATE, np.float32), clip, np.zeros(RATE, np.float32)])
    plain = silero_segments(audio)
    up = np.repeat(audio, 3)
    assert np.allclose(silero_segments(to_vad_rate(up, 48_000)), plain, atol=0.04)
    assert silero_segments(np.zeros(0, np.float32)) == []
    assert rounded([(1.234, 2.345)]) == [(1.2, 2.3)]


def test_the_stored_bias_is_what_measuring_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """One condition, measured again: the table is no handwork."""
    sounds = load_sounds(DATA / "audio")
    monkeypatch.setattr(detector_bias, "DETECTORS", {"energy, adaptive": detector_bias.DETECTORS["energy, adaptive"]})
    condition = next(c for c in detector_bias.CONDITIONS if c.name == "clean, -30 dBFS")
    for row in measure(sounds, [condition]):
        assert row == bias_of("energy, adaptive", "clean, -30 dBFS", row.kind)


def test_the_bias_table_counts_what_was_not_found_and_names_every_row() -> None:
    rows = measured()
    assert len(rows) == 4 * 7 * 2
    assert all(row.n == 66 and 0 <= row.missed + row.blurred <= row.n for row in rows)
    assert all((row.onset_median_ms is None) == (row.missed + row.blurred == row.n) for row in rows)
    assert (
        bias_of("silero, package defaults", "clean, -50 dBFS", "short").missed
        > bias_of("energy, adaptive", "clean, -50 dBFS", "short").missed
    )
    with pytest.raises(KeyError, match="no bias was measured for 'ears'"):
        bias_of("ears", "clean, -20 dBFS")


def test_a_late_detector_is_measured_as_late(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(audio: Pcm) -> list[tuple[float, float]]:
        return [(start + 0.1, end + 0.2) for start, end in energy_segments(audio, RATE)]

    monkeypatch.setattr(detector_bias, "DETECTORS", {"late": late, "deaf": lambda audio: [], "always": lambda audio: [(0.0, 9.0)]})
    tone = bursts(1, (0.0, 1.0))
    found = {row.detector: row for row in measure({"tone": [tone]}, [Condition("clean", -25, -90)])}
    assert found["late"].onset_median_ms == pytest.approx(90, abs=11)
    assert found["late"].offset_median_ms == pytest.approx(205, abs=11)
    assert (found["deaf"].missed, found["deaf"].onset_median_ms) == (3, None)
    assert (found["always"].blurred, found["always"].offset_median_ms) == (3, None)


def test_speech_is_cut_where_it_is_loud() -> None:
    assert len(hard_cut(bursts(5, (1.0, 2.0)))) == pytest.approx(RATE, abs=400)
    assert len(hard_cut(bursts(5, (1.0, 2.0)), 0.35)) == 5_600
    with pytest.raises(ValueError, match="silent"):
        hard_cut(np.zeros(RATE, np.float32))


def test_measuring_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_bias, "DETECTORS", {"energy, adaptive": detector_bias.DETECTORS["energy, adaptive"]})
    monkeypatch.setattr(detector_bias, "measure", lambda sounds: measure({"short": sounds["short"][:1]}, [Condition("clean", -25, -90)]))
    out = tmp_path / "bias.json"
    assert detector_bias.main(["--clips", str(DATA / "audio"), "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())["rows"]) == 1
    assert "| energy, adaptive | short | clean | 3 | 0 | 0 | 0 |" in capsys.readouterr().out
    assert detector_bias.main(["--clips", str(tmp_path), "--out", str(out)]) == 2


def test_an_agent_that_stops_yields_and_the_time_is_known() -> None:
    agent, caller = bursts(6, (0.2, 2.5), (4.4, 5.5)), bursts(6, (2.0, 3.5), seed=1)
    found = hotato.score(caller, agent, RATE, onset_s=2.0)
    assert (found.did_yield, found.agent_talking_at_onset) == (True, True)
    assert found.time_to_yield_s == pytest.approx(0.5, abs=0.02)
    assert found.talk_over_s == pytest.approx(0.5, abs=0.02)
    assert found.response_gap_s == pytest.approx(0.9, abs=0.03)
    assert hotato.score(caller, agent, RATE).caller_onset_s == pytest.approx(2.0, abs=0.02)
    assert hotato.shortfalls(found, hotato.Expectation(True, 1.0, 1.0)) == []
    assert hotato.shortfalls(found, hotato.Expectation(True, 0.1, 0.1)) == [
        f"yielded in {found.time_to_yield_s:.2f}s, slower than the 0.10s bound",
        f"talked over the caller for {found.talk_over_s:.2f}s, more than the 0.10s bound",
    ]
    assert len(hotato.shortfalls(found, hotato.Expectation(False))) == 1


def test_an_agent_that_ends_long_after_the_caller_has_not_yielded() -> None:
    found = hotato.score(bursts(6, (2.0, 2.3), seed=1), bursts(6, (0.2, 4.0)), RATE, onset_s=2.0)
    assert (found.did_yield, found.time_to_yield_s, found.response_gap_s) == (False, None, None)
    with pytest.raises(ValueError, match="never heard"):
        hotato.score(bursts(2), bursts(2, (0, 2)), RATE)


def test_labelled_recordings_agree_and_silero_alone_would_miss_a_caller(capsys: pytest.CaptureFixture[str]) -> None:
    found = {r.name: r for r in human_recordings.read_folder(DATA / "evaluation" / "hotato")}
    take, restart = found["ami-en2002b-take-1069"], found["vapi-default-04-backchannel-restart"]
    assert take.agrees
    assert take.stop_s == pytest.approx(1.05, abs=human_recordings.TOLERANCE_S)
    assert (restart.outcome, restart.user_heard_by_silero, restart.agrees) == ("yielded", False, None)
    assert human_recordings.main([str(DATA / "evaluation" / "hotato")]) == 0
    assert "1/1 labelled clips agree" in capsys.readouterr().out


def test_a_label_that_says_otherwise_is_no_agreement(tmp_path: Path) -> None:
    folder = DATA / "evaluation" / "hotato"
    document = json.loads((folder / "ami_real.json").read_text())
    document["clips"][0]["labelled_segments"]["ch1_s"] = [[0.0, 3.6]]
    (tmp_path / "ami_real.json").write_text(json.dumps(document))
    (tmp_path / "wav_ami").symlink_to(folder / "wav_ami")
    assert [r.agrees for r in human_recordings.read_folder(tmp_path)] == [False]
    assert human_recordings.main([str(tmp_path)]) == 1
    assert human_recordings.main([str(tmp_path / "wav_ami")]) == 2
