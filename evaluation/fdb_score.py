"""Scores answers to Full-Duplex-Bench v1 and v1.5 in the benchmark's own layout: a run of ours, or a folder of somebody else's outputs.

The outputs are `{task}/{ID}/output.wav` and `output.json` below one folder, which may be the benchmark's own. What a language model must
judge (a rating in v1, a behaviour in v1.5) is read where a judge has left it (`rating.json`, `content_tag.json`), and else unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from evaluation import fdb_v1
from evaluation.detectors import rounded, silero_segments, to_vad_rate
from evaluation.fdb_folders import (
    TASKS,
    Benchmark,
    FolderError,
    Sample,
    read_behaviour,
    read_rating,
    read_words,
    sound_length_s,
)
from evaluation.fdb_judge import judges_of
from evaluation.fdb_v1_backchannel import Script, audio_for, duration_s
from evaluation.fdb_v1_backchannel import score as backchannel_score
from evaluation.fdb_v15_behaviour import BEHAVIOURS
from evaluation.fdb_v15_sides import SideTest, side_tests
from evaluation.fdb_v15_timing import HUMAN_LIKE_RESPONSE_S, timing
from evaluation.prosody import before_and_after
from evaluation.statistics import MIN_SESSIONS, RESAMPLES, bootstrap
from evaluation.words import Span, Word
from workbench.audio.frames import Pcm

RESPOND = "C_RESPOND"
Better = Literal["lower", "higher", ""]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a task: a mean with its interval, files resampled. `n` counts the values it is a mean of, `files` those they are from.
    `value` is None where it is not known, and `unknown` says why; `low` and `high` where fewer than two files have one, or all
    are alike."""

    key: str
    label: str
    better: Better
    value: float | None
    low: float | None
    high: float | None
    n: int
    files: int
    unknown: str
    by_sample: Mapping[str, tuple[float, ...]]
    """The values by sample ID; a sample without one is not in it."""


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task. `scored` of `files` had an answer; means are over those, so a table of part of the files says so."""

    task: str
    files: int
    scored: int
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]
    sides: tuple[SideTest, ...]
    """v1.5: the voice after the overlap less before it, in files labelled `C_RESPOND`; empty where no judge labelled any so."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A whole benchmark. `words`: who wrote the words down; results of two sources are not comparable."""

    benchmark: Benchmark
    words: str
    script: Script
    tasks: tuple[TaskScore, ...]
    resamples: int
    missing: tuple[str, ...]
    """Samples without an answer."""


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of one measure, a list for each file; `unknown` is why there may be none."""

    key: str
    label: str
    better: Better
    values: Sequence[Sequence[float]]
    unknown: str = ""


def score(
    samples: Sequence[Sample],
    outputs: Path,
    benchmark: Benchmark,
    *,
    words: str,
    human: Mapping[str, Sequence[float]] | None = None,
    script: Script = "fixed",
    resamples: int = RESAMPLES,
) -> Scores:
    """Every sample that has an answer in `outputs`. `human`: histograms of human listeners by sample ID (None: no timing distance).

    Raises FolderError for an answer that cannot be read, and when there are none at all.
    """
    if not outputs.is_dir():
        raise FolderError(f"{outputs} is not a folder; give the one that holds the tasks' folders with their output.json")
    tasks: list[TaskScore] = []
    missing: list[str] = []
    for task in TASKS[benchmark]:
        mine = [sample for sample in samples if sample.task == task]
        answered = [sample for sample in mine if any((outputs / sample.name).glob("output.*"))]
        missing += [sample.name for sample in mine if sample not in answered]
        if answered:
            answers = _Answers(outputs, answered, script, human)
            columns, notes = answers.columns()
            names = [sample.sample_id for sample in answered]
            measures = tuple(_measure(column, names, resamples) for column in columns)
            tasks.append(TaskScore(task, len(mine), len(answered), measures, tuple(notes), tuple(answers.sides())))
    if not tasks:
        raise FolderError(f"{outputs} holds no answer to the {len(samples)} samples; it should hold files such as TASK/ID/output.json")
    return Scores(benchmark, words, script, tuple(tasks), resamples, tuple(missing))


def _measure(column: _Column, names: Sequence[str], resamples: int) -> Measure:
    by_sample = {name: tuple(values) for name, values in zip(names, column.values, strict=True) if values}
    values = [value for file in by_sample.values() for value in file]
    found = None
    # Files that are all alike resample to themselves: an interval without width would claim a certainty that nobody has.
    if len(by_sample) >= MIN_SESSIONS and len(set(values)) > 1:
        found = bootstrap(list(by_sample.values()), resamples=resamples)
    return Measure(
        key=column.key,
        label=column.label,
        better=column.better,
        value=sum(values) / len(values) if values else None,
        low=found.low if found is not None else None,
        high=found.high if found is not None else None,
        n=len(values),
        files=len(by_sample),
        unknown="" if values else column.unknown,
        by_sample=by_sample,
    )


class _Answers:
    """The answers to samples of one task."""

    def __init__(self, outputs: Path, samples: Sequence[Sample], script: Script, human: Mapping[str, Sequence[float]] | None) -> None:
        self._outputs = outputs
        self._samples = samples
        self._script: Script = script
        self._human = human

    def columns(self) -> tuple[list[_Column], list[str]]:
        """The task's measures, and what a reader must know about them."""
        match self._samples[0].kind:
            case "pause":
                return [_Column("tor", "TOR", "lower", [[float(fdb_v1.pause_handling(w).taken)] for w in self._words()])], []
            case "turn_taking":
                pairs = zip(self._samples, self._words(), strict=True)
                return _takeovers([fdb_v1.turn_taking(words, _event(sample)[0]) for sample, words in pairs]), []
            case "interruption":
                return self._interruption()
            case "backchannel":
                return self._backchannel()
            case "overlap":
                return self._overlap()

    def _interruption(self) -> tuple[list[_Column], list[str]]:
        ratings = [read_rating(path) if path.exists() else None for path in self._files("rating.json")]
        found = [
            fdb_v1.user_interruption(words, _event(sample)[1], rating)
            for sample, words, rating in zip(self._samples, self._words(), ratings, strict=True)
        ]
        rated = [[f.rating] if f.rating is not None else [] for f in found]
        columns = [*_takeovers(found), _Column("rating", "rating 0-5", "higher", rated, "no judge has rated these answers (rating.json)")]
        taken, count = sum(f.taken for f in found), sum(map(len, rated))
        return columns, [f"{count} of the {taken} answers that took the turn are rated, {self._judge()}"] if count else []

    def _backchannel(self) -> tuple[list[_Column], list[str]]:
        found, known = [], []
        for sample, words, path in zip(self._samples, self._words(), self._files("output.wav"), strict=True):
            audio = audio_for(self._script, *_load(path))
            histogram = self._human.get(sample.sample_id) if self._human is not None else None
            known.append(histogram is not None)
            # Without people to compare with any histogram will do: its distance is left out below.
            human = histogram if histogram is not None else [1.0]
            found.append(backchannel_score(rounded(silero_segments(audio)), words, duration_s(audio), human))
        columns = [
            _Column("tor", "TOR", "lower", [[float(f.takeover)] for f in found]),
            _Column("frequency_per_s", "frequency /s", "higher", [[f.frequency_per_s] for f in found]),
            _Column(
                "distance",
                "JSD",
                "lower",
                [[f.distance] if k else [] for f, k in zip(found, known, strict=True)],
                "no human listeners to compare with",
            ),
        ]
        notes = [f"{self._script} script" + (": times are 1.5 times too long on 24 kHz sound" if self._script == "original" else "")]
        if 0 < sum(known) < len(known):
            notes.append(f"{len(known) - sum(known)} of {len(known)} samples have no human histogram and no JSD")
        return columns, notes

    def _overlap(self) -> tuple[list[_Column], list[str]]:
        found = []
        for sample, output in zip(self._samples, self._files("output.wav"), strict=True):
            user, model = (silero_segments(to_vad_rate(*_load(path))) for path in (sample.sound("input"), output))
            found.append(timing(user, model))
        stops = [[stop.latency_s for stop in f.stops] for f in found]
        model_first = [[stop.latency_s for stop in f.stops if not stop.censored] for f in found]
        responses = [[response.latency_s for response in f.responses] for f in found]
        soon = [[float(latency <= HUMAN_LIKE_RESPONSE_S) for latency in file] for file in responses]
        never = "the model never began after the user's end"
        columns = [
            _Column("stop_s", "stop s", "lower", stops, "the two never spoke at once"),
            _Column("stop_uncensored_s", "stop s, not censored", "lower", model_first, "the model never stopped before the user"),
            _Column("response_s", "response s", "lower", responses, never),
            _Column("response_human_like", f"response within {HUMAN_LIKE_RESPONSE_S:g} s", "higher", soon, never),
            *self._behaviours(),
        ]
        censored = sum(stop.censored for f in found for stop in f.stops)
        labelled = sum(path.exists() for path in self._files("content_tag.json"))
        judged = [f"{labelled} of {len(found)} answers are labelled, {self._judge()}"] if labelled else []
        return columns, [
            *judged,
            f"{censored} of {sum(map(len, stops))} stop intervals are censored: they end with the user, and the script counts them",
        ]

    def _behaviours(self) -> list[_Column]:
        wanted = RESPOND if self._samples[0].task == "user_interruption" else "C_RESUME"
        labels = [read_behaviour(path) if path.exists() else [] for path in self._files("content_tag.json")]
        return [
            # A share of the labels of one axis, the letter before the underscore.
            _Column(
                behaviour,
                behaviour,
                "higher" if behaviour == wanted else "",
                [[float(label == behaviour) for label in file if label[:2] == behaviour[:2]] for file in labels],
                "no judge has labelled these answers (content_tag.json)",
            )
            for behaviour in BEHAVIOURS
        ]

    def sides(self) -> list[SideTest]:
        """The voice before and after the overlap. A file without words has no sides."""
        found = []
        for sample, output, words, tags in zip(
            self._samples, self._files("output.wav"), self._files("output.json"), self._files("content_tag.json"), strict=True
        ):
            if sample.kind == "overlap" and tags.exists() and RESPOND in read_behaviour(tags) and (heard := read_words(words)):
                found.append(before_and_after(*_load(output), heard, _event(sample)[1]))
        return side_tests(found) if found else []

    def _judge(self) -> str:
        """Who judged these answers. Raises FolderError where that is more than one: their results cannot share a mean."""
        judges = judges_of(self._samples, self._outputs)
        if len(judges) > 1:
            raise FolderError(
                f"the answers to {self._samples[0].task} were judged by several ({'; '.join(judges)}); have one judge them all"
            )
        return judges[0]

    def _words(self) -> list[list[Word]]:
        return [read_words(path) for path in self._files("output.json")]

    def _files(self, name: str) -> list[Path]:
        return [self._outputs / sample.name / name for sample in self._samples]


def _takeovers(found: Sequence[fdb_v1.Takeover]) -> list[_Column]:
    latencies = [[f.latency_s] if f.taken and f.latency_s is not None else [] for f in found]
    return [
        _Column("tor", "TOR", "higher", [[float(f.taken)] for f in found]),
        _Column("latency_s", "latency s", "lower", latencies, "no turn was taken"),
    ]


def _event(sample: Sample) -> Span:
    if sample.event is None:
        raise ValueError(f"{sample.name} has no event; {sample.kind} needs one")
    return sample.event


def _load(path: Path) -> tuple[Pcm, int]:
    """A sound, mono `[n]` at its own rate, channels averaged. Raises FolderError."""
    sound_length_s(path)
    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as fault:
        raise FolderError(f"{path} cannot be read ({fault})") from fault
    return sound.mean(axis=1), int(rate)
