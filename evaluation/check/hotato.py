"""hotato's files of real recordings: yield and stop latency, silero segments with Full-Duplex-Bench v1.5 intervals, labels in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader, load_channels, spans
from evaluation.check.compare import EXACT, Tolerance
from evaluation.check.fdb_v15 import STORED_DIGITS, intervals
from evaluation.detectors import HOP_MS, VAD_WINDOW_S, silero_segments, to_vad_rate
from evaluation.fdb_v15_timing import timing
from evaluation.hotato import Expectation, YieldScore, score, shortfalls
from workbench.audio.frames import Pcm
from workbench.dynamics.segments import Segment, from_seconds, merge, overlaps, silences, total_samples

HOP = Tolerance(HOP_MS / 1_000 + EXACT)
"""Energy: one hop of the detector."""
WINDOW = Tolerance(VAD_WINDOW_S + EXACT)
"""Silero: one of its windows."""
LABELS = Tolerance(1e-4)
"""Labels: the samples that edges are rounded to, on values stored with four digits."""
LABEL_DIGITS = 4
SECOND = 24_000


def _clips(folder_name: str) -> Callable[[Document, Path], Iterator[Case]]:
    def cases(document: Document, folder: Path) -> Iterator[Case]:
        for clip in [*document.get("clips", []), *document.get("analysis_clips", [])]:
            name = clip["id"]
            if "hotato" in clip:
                yield Case(f"{name} yield", clip["hotato"], partial(_yield, clip, folder / folder_name), HOP)
            if "silero_fdb" in clip:
                yield Case(f"{name} silero", clip["silero_fdb"], partial(_silero, clip, folder / folder_name), WINDOW)
            if "labelled_segment_stats" in clip:
                expected = {key: value for key, value in clip["labelled_segment_stats"].items() if key != "method"}
                yield Case(f"{name} labels", expected, partial(_labels, clip), LABELS)

    return cases


def _sound(clip: Mapping[str, Any], folder: Path) -> tuple[Pcm, int]:
    return load_channels(folder / clip["wav"], clip.get("sha256"))


def _yield(clip: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    channels, rate = _sound(clip, folder)
    found = score(channels[0], channels[1], rate, clip.get("labelled_onset_s"))
    return {**asdict(found), **_verdict(found, clip.get("expected_behaviour"))}


def _verdict(found: YieldScore, expected: Mapping[str, Any] | None) -> dict[str, Any]:
    if expected is None:
        return {}
    wanted = Expectation(bool(expected["yield"]), expected.get("max_time_to_yield_sec"), expected.get("max_talk_over_sec"))
    reasons = shortfalls(found, wanted)
    return {"passed": not reasons, "reasons": reasons}


def _silero(clip: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    channels, rate = _sound(clip, folder)
    user, model = (silero_segments(to_vad_rate(channel, rate)) for channel in channels[:2])
    found = timing(user, model)
    return {
        "silero_ch0_s": spans(user, STORED_DIGITS),
        "silero_ch1_s": spans(model, STORED_DIGITS),
        "fdb_v15_user_merged_s": spans(found.user, STORED_DIGITS),
        "fdb_v15_model_merged_s": spans(found.model, STORED_DIGITS),
        **intervals(found),
    }


def _labels(clip: Mapping[str, Any]) -> dict[str, Any]:
    first, second = (merge(from_seconds(clip["labelled_segments"][key]), 0) for key in ("ch0_s", "ch1_s"))
    both = overlaps(first, second)
    duration_s = float(clip["duration_s"])
    window = Segment(0, round(duration_s * SECOND))
    talk = [total_samples(track) / SECOND for track in (first, second)]
    overlap_s = total_samples(both) / SECOND
    return {
        "talk_ch0_s": talk[0],
        "talk_ch1_s": talk[1],
        "overlap_s": overlap_s,
        "overlap_count": len(both),
        "mutual_silence_s": total_samples(silences([*first, *second], window)) / SECOND,
        "talk_ratio_ch1_over_total": round(talk[1] / sum(talk), LABEL_DIGITS) if sum(talk) else None,
        "overlap_ratio_over_duration": round(overlap_s / duration_s, LABEL_DIGITS),
    }


KEYS = frozenset({"clips", "analysis_clips"})
READERS = {
    "hotato/ami_real.json": Reader(KEYS, _clips("wav_ami")),
    "hotato/vapi_real.json": Reader(KEYS, _clips("wav_vapi")),
}
