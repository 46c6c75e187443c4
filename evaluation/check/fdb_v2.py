"""Full-Duplex-Bench v2 files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader
from evaluation.fdb_v2_judge import EVENTS_KEY, TASK_KEY, Judgement, parse
from evaluation.fdb_v2_scores import Sentence, by_time, combined, score, sentences
from evaluation.words import words_of


def _judged(document: Document, _folder: Path) -> Iterator[Case]:
    for entry in document["judge_outputs"]:
        name = f"judge text of {entry['task_id']}"
        yield Case(name, entry["parsed"], partial(_parsed, entry["judge_text"]))

    def talks(row: dict[str, Any]) -> list[Judgement]:
        mine = (row["setup"], row["subtask"])
        return [parse(e["judge_text"]) for e in document["judge_outputs"] if (e["split"], e["task_id"]) == mine]

    for key in ("score_rows", "score_time_overall_rows"):
        for row in document.get(key, []):
            yield Case(f"{key} {row['subtask']}", row, partial(_row, row["setup"], row["subtask"], talks(row)))
    for row in document.get("score_time_binned_rows", []):
        yield Case(f"binned row {row['subtask']}", row, partial(_binned, row["setup"], row["subtask"], talks(row)))


def _parsed(text: str) -> dict[str, Any]:
    found = parse(text)
    events = [[[e.start_s, e.end_s], e.turn_taking, e.instruction_following] for e in found.events]
    return {EVENTS_KEY: events, **({} if found.task is None else {TASK_KEY: found.task})}


def _row(split: str, task: str, talks: Sequence[Judgement]) -> dict[str, str]:
    found = score(split, task, talks)
    return {
        "setup": found.split,
        "subtask": found.task,
        "n_files": str(found.files),
        "n_events": str(found.events),
        "avg_turn_taking": _cell(found.turn_taking),
        "avg_instruction_following": _cell(found.instruction_following),
        "avg_task_specific": _cell(found.task_specific),
    }


def _binned(split: str, task: str, talks: Sequence[Judgement]) -> dict[str, str]:
    found = score(split, task, talks)
    row = {"setup": split, "subtask": task, "n_files": str(found.files), "n_events": str(found.events)}
    for part in by_time(event for talk in talks for event in talk.events):
        row[f"TT[{part.start_s}-{part.end_s}]"] = _cell(part.turn_taking)
        row[f"IF[{part.start_s}-{part.end_s}]"] = _cell(part.instruction_following)
    return row


def _cell(value: float | None) -> str:
    """A mean as the tables write it: three digits at most, nothing where there is none."""
    return "" if value is None else str(round(float(value), 3))


def _segmentation(document: Document, _folder: Path) -> Iterator[Case]:
    def of(key: str) -> list[Sentence]:
        return sentences(words_of(document[key]))

    def rows(key: str) -> list[dict[str, Any]]:
        return [{"text": s.text, "start": s.start_s, "end": s.end_s} for s in of(key)]

    for side in ("A", "B"):
        yield Case(f"sentences of {side}", document[f"{side}_sentences"], partial(rows, side))
    if "combined_max_60s" in document:
        yield Case(
            "combined",
            document["combined_max_60s"],
            lambda: [{"speaker": speaker, "text": text} for speaker, text in combined(of("A"), of("B"))],
        )


READERS = {
    "fdb_v2/judge_parsing_and_scores.json": Reader(
        frozenset({"judge_outputs", "score_rows", "score_time_overall_rows", "score_time_binned_rows"}), _judged
    ),
    "fdb_v2/segmentation.json": Reader(frozenset({"A", "B", "A_sentences", "B_sentences", "combined_max_60s"}), _segmentation),
}
