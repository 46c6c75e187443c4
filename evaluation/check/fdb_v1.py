"""Full-Duplex-Bench v1 files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader, load_channels, spans
from evaluation.check.compare import EXACT, Tolerance
from evaluation.detectors import ROUNDED_S, rounded, silero_segments
from evaluation.fdb_v1 import Takeover, judge_verdict, pause_handling, summarise, turn_taking, user_interruption
from evaluation.fdb_v1_backchannel import (
    EPSILON,
    LONG_SEGMENT_S,
    MAX_WORDS,
    SHORT_S,
    SHORT_WORDS,
    WINDOW_S,
    BackchannelScore,
    Script,
    audio_for,
    duration_s,
    score,
)
from evaluation.words import Word, span, words_of

CONSTANTS = {
    "window_s": WINDOW_S,
    "epsilon": EPSILON,
    "formal_turn_s": LONG_SEGMENT_S,
    "max_words": MAX_WORDS,
    "bc_max_words_when_short": SHORT_WORDS,
    "bc_max_dur_s": SHORT_S,
}
SCRIPTS: Mapping[str, Script] = {
    "expected_fixed_script_3e799c4": "fixed",
    "expected_original_script_d7336bd_no_resampling": "original",
}
MOVED_JSD = 0.05
"""A segment that moves by the 0.1 s it is rounded to moves one histogram bin; the distance may follow."""
AGGREGATES = ("aggregate", "aggregates", "mean")


def _transcript(inputs: Mapping[str, Any]) -> list[Word]:
    """The words of `output.json`; user interruption writes a remark behind that name."""
    (name,) = (key for key in inputs if key.startswith("output.json"))
    return words_of(inputs[name]["chunks"])


def _pause(inputs: Mapping[str, Any]) -> Takeover:
    return pause_handling(_transcript(inputs))


def _turn(inputs: Mapping[str, Any]) -> Takeover:
    return turn_taking(_transcript(inputs), float(inputs["turn_taking.json"][0]["timestamp"][0]))


def _interruption(inputs: Mapping[str, Any]) -> Takeover:
    rating = inputs.get("stub_judge_rating")
    end_s = float(inputs["interrupt.json"][0]["timestamp"][1])
    return user_interruption(_transcript(inputs), end_s, None if rating is None else float(rating))


def _takeovers(compute: Callable[[Mapping[str, Any]], Takeover]) -> Callable[[Document, Path], Iterator[Case]]:
    def one(inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = compute(inputs)
        return {"TOR": int(found.taken), "latency_s": found.latency_s, "rating": found.rating}

    def aggregate(document: Document) -> dict[str, Any]:
        found = summarise(compute(case["inputs"]) for case in document["cases"])
        return {"TOR": found.rate, "latency_s": found.latency_s, "rating": found.rating, "n": found.n}

    def cases(document: Document, _folder: Path) -> Iterator[Case]:
        for case in document["cases"]:
            yield Case(case["id"], case["expected"], partial(one, case["inputs"]))
        for entry in document.get("judge_text_parsing", []):
            yield Case(f"judge text {entry['judge_text'][:40]!r}", entry["parsed"], partial(_verdict, entry["judge_text"]))
        for key in AGGREGATES:
            if key in document:
                yield Case(key, document[key], partial(aggregate, document))

    return cases


def _verdict(text: str) -> dict[str, Any]:
    found = judge_verdict(text)
    return {} if found is None else {"analysis": found.analysis, "rating": found.rating}


def _scored(found: BackchannelScore) -> dict[str, Any]:
    return {"TOR": int(found.takeover), "frequency_per_s": found.frequency_per_s, "JSD": found.distance}


def _backchannel_injected(document: Document, _folder: Path) -> Iterator[Case]:
    def compute(inputs: Mapping[str, Any]) -> dict[str, Any]:
        transcript = inputs["output.json"]
        words = None if transcript is None else words_of(transcript["chunks"])
        segments = [span(pair) for pair in inputs["model_vad_segments_s"]]
        named = inputs["human_distribution"]
        human = document[named] if isinstance(named, str) else named
        return _scored(score(segments, words, float(inputs["output_duration_s"]), human))

    if "constants" in document:
        yield Case("constants", document["constants"], lambda: CONSTANTS)
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(compute, case["inputs"]))


def _backchannel_wav(document: Document, folder: Path) -> Iterator[Case]:
    def compute(case: Mapping[str, Any], script: Script) -> dict[str, Any]:
        channels, rate = load_channels(folder / case["wav"])
        audio = audio_for(script, channels.mean(axis=0), rate)
        segments = rounded(silero_segments(audio))
        words = words_of(case["inputs"]["output.json"]["chunks"])
        found = score(segments, words, duration_s(audio), case["inputs"]["human_distribution"])
        return {"vad_segments_s": spans(segments), **_scored(found)}

    def tolerance(expected: Mapping[str, Any]) -> Callable[[Any], Tolerance]:
        """The distance is that of the segments: only where they moved by their rounding may it be off."""
        return lambda computed: Tolerance(
            EXACT,
            {
                "vad_segments_s": ROUNDED_S + EXACT,
                "JSD": EXACT if computed["vad_segments_s"] == expected["vad_segments_s"] else MOVED_JSD,
            },
        )

    for case in document["cases"]:
        for key, script in SCRIPTS.items():
            if key in case:
                yield Case(f"{case['id']} {script} script", case[key], partial(compute, case, script), tolerance(case[key]))


def _reader(cases: Callable[[Document, Path], Iterable[Case]], *keys: str) -> Reader:
    return Reader(frozenset({"cases", *keys}), cases)


READERS = {
    "fdb_v1/pause_handling.json": _reader(_takeovers(_pause), *AGGREGATES),
    "fdb_v1/smooth_turn_taking.json": _reader(_takeovers(_turn), *AGGREGATES),
    "fdb_v1/user_interruption.json": _reader(_takeovers(_interruption), "judge_text_parsing", *AGGREGATES),
    "fdb_v1/backchannel_injected_vad.json": _reader(_backchannel_injected, "constants", "GT_*"),
    "fdb_v1/backchannel_wav.json": _reader(_backchannel_wav),
}
