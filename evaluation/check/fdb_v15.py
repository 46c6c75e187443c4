"""Full-Duplex-Bench v1.5 files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader, load_channels, spans
from evaluation.check.compare import EXACT, Tolerance
from evaluation.detectors import VAD_WINDOW_S, silero_segments, to_vad_rate
from evaluation.fdb_v15_before_after import Outliers, kept, split
from evaluation.fdb_v15_behaviour import any_overlap, judge_behaviour, shares
from evaluation.fdb_v15_timing import MODEL_MERGE_GAP_S, RATE_HZ, USER_MERGE_GAP_S, Timing, timing
from evaluation.paired import paired_t
from evaluation.words import words_of

CONSTANTS = {"USER_MERGE_GAP_s": USER_MERGE_GAP_S, "MODEL_MERGE_GAP_s": MODEL_MERGE_GAP_S, "rate_hz": RATE_HZ}
STORED_DIGITS = 3
"""Seconds in the timing files are rounded to a millisecond."""


def intervals(found: Timing) -> dict[str, Any]:
    """Both lists of the script."""
    return {
        "latency_stop_list": spans(((i.start_s, i.end_s) for i in found.stops), STORED_DIGITS),
        "latency_resp_list": spans(((i.user_end_s, i.model_start_s) for i in found.responses), STORED_DIGITS),
    }


def _injected(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = timing(inputs["user_vad_s"], inputs["model_vad_s"])
        merged = {"user_merged_s": spans(found.user, STORED_DIGITS), "model_merged_s": spans(found.model, STORED_DIGITS)}
        return {**merged, **intervals(found)}

    if "constants" in document:
        yield Case("constants", document["constants"], lambda: CONSTANTS)
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(compute, case["inputs"]))


def _wav(document: Document, folder: Path) -> Iterator[Case]:
    def segments(case_id: str, name: str) -> list[tuple[float, float]]:
        (channel, *_), rate = load_channels(folder / "wav_timing" / case_id / name)
        return silero_segments(to_vad_rate(channel, rate))

    def compute(case_id: str) -> dict[str, Any]:
        found = timing(segments(case_id, "input.wav"), segments(case_id, "output.wav"))
        merged = {"user_vad_merged_s": spans(found.user, STORED_DIGITS), "model_vad_merged_s": spans(found.model, STORED_DIGITS)}
        return {**merged, "expected": intervals(found)}

    for case in document["cases"]:
        expected = {key: case[key] for key in ("user_vad_merged_s", "model_vad_merged_s", "expected") if key in case}
        yield Case(case["id"], expected, partial(compute, case["id"]), Tolerance(VAD_WINDOW_S + EXACT))


def _behaviour(document: Document, _folder: Path) -> Iterator[Case]:
    if "ratios" in document:
        given = document["ratios"]
        expected = {key: value for key, value in given.items() if key != "records"}
        yield Case("ratios", expected, partial(_ratios, given["records"]))
    for index, entry in enumerate(document.get("check_overlap", [])):
        yield Case(f"overlap {index}", entry["overlap"], partial(_overlap, entry["a"], entry["b"]))
    for entry in document.get("judge_text", []):
        expected = entry["parsed"] if "parsed" in entry else {"error": entry["error"]}
        yield Case(f"judge text {entry['text'][:40]!r}", expected, partial(judge_behaviour, entry["text"]))


def _overlap(first: list[list[float]], second: list[list[float]]) -> int:
    return int(any_overlap(first, second))


def _ratios(records: list[Mapping[str, Any]]) -> dict[str, Any]:
    found = shares(record["behaviour"] for record in records)
    rounded = {label: round(share, 2) for label, share in found.shares.items()}
    return {"counts": found.counts, "totals": found.totals, "ratios": found.shares, "ratios_rounded_2": rounded}


def _before_after(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(overlap_end_s: float) -> dict[str, Any]:
        found = split(words_of(document["chunks"]), overlap_end_s)
        sides = {"pre": [w.text for w in found.before], "post": [w.text for w in found.after]}
        return {"split_t": found.at_s, **sides, "wpm_pre": found.before_wpm, "wpm_post": found.after_wpm}

    for entry in document.get("splits", []):
        expected = {key: value for key, value in entry.items() if key != "overlap_end_s"}
        yield Case(f"split at {entry['overlap_end_s']} s", expected, partial(compute, float(entry["overlap_end_s"])))
    if "robust_aggregation" in document:
        values = document["robust_aggregation"]["values"]
        for entry in document["robust_aggregation"]["results"]:
            expected = {key: value for key, value in entry.items() if key != "config"}
            yield Case(f"robust mean, {entry['config']['mode']}", expected, partial(_robust, values, entry["config"]["mode"]))


def _robust(values: list[float], mode: Any) -> dict[str, Any]:
    left = kept(values, mode)
    return {"kept": left.tolist(), "mean": float(left.mean())}


def _paired(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(rule: Outliers) -> dict[str, Any]:
        found = paired_t(document["before"], document["after"], rule)
        names = ("n_raw", "n_valid", "n_used", "n_dropped", "mean_before", "mean_after", "mean_diff", "ci95_low", "ci95_high", "t", "df")
        return {**{name: getattr(found, name) for name in names}, "p_t": found.p, "cohen_dz": found.cohen_dz}

    for entry in document["expected"]:
        # The name of the measure is a label of the file, not an outcome.
        expected = {key: value for key, value in entry.items() if key not in ("outlier_rule", "measure")}
        yield Case(f"outliers {entry['outlier_rule']}", expected, partial(compute, entry["outlier_rule"]))


READERS = {
    "fdb_v15/timing_injected_vad.json": Reader(frozenset({"cases", "constants"}), _injected),
    "fdb_v15/timing_wav.json": Reader(frozenset({"cases"}), _wav),
    "fdb_v15/behaviour.json": Reader(frozenset({"ratios", "check_overlap", "judge_text"}), _behaviour),
    "fdb_v15/before_after.json": Reader(frozenset({"chunks", "splits", "robust_aggregation"}), _before_after),
    "fdb_v15/paired_t.json": Reader(frozenset({"before", "after", "expected"}), _paired),
}
