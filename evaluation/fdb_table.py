"""Scores of Full-Duplex-Bench as tables, one for each task, with the published rows under ours."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.fdb_published import V1_ROWS, V15_ROWS, rows_for
from evaluation.fdb_score import Measure, Scores, TaskScore
from evaluation.fdb_v15_sides import SideTest

ARROWS = {"lower": " ↓", "higher": " ↑", "": ""}
NAMED = 5
"""So many samples are named where something is wrong with more."""


def tables(scores: Scores, system: str) -> str:
    """Markdown. `system`: what our rows are called."""
    recogniser = "Parakeet's words" if scores.benchmark == "fdb-v1" else "the authors' own runs"
    lines = [
        f"{scores.benchmark} of {system}. Words: {scores.words}.",
        f"Intervals: 95 %, bootstrap over files ({scores.resamples} resamples), none where all files are alike. "
        f"Published rows were not measured here and rest on {recogniser}.",
    ]
    if scores.missing:
        first = ", ".join(scores.missing[:NAMED]) + (", ..." if len(scores.missing) > NAMED else "")
        lines.append(f"Samples without an answer, in no mean: {len(scores.missing)} ({first}).")
    for task in scores.tasks:
        lines += ["", *_task(task, scores, system)]
    return "\n".join(lines)


def _task(task: TaskScore, scores: Scores, system: str) -> list[str]:
    backchannel = task.task == "icc_backchannel"
    published = rows_for(task.task, V1_ROWS if scores.benchmark == "fdb-v1" else V15_ROWS, scores.script if backchannel else None)
    header = ["system", *(f"{m.label}{ARROWS[m.better]}" for m in task.measures), "source"]
    rows = [[f"**{system}**", *map(_shown, task.measures), f"this run, {task.scored} of {task.files} files"]]
    for row in published:
        figures = row.figures[task.task]
        rows.append(
            [row.system, *(f"{figures[m.key]:.3f}" if m.key in figures else "–" for m in task.measures), f"published: {row.source}"]
        )
    reasons = dict.fromkeys(m.unknown for m in task.measures if m.value is None)
    told = [f"- {', '.join(m.label for m in task.measures if m.unknown == reason)}: unknown, {reason}." for reason in reasons]
    return [
        f"### {task.task}",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)),
        *(["", *told, *(f"- {note}." for note in task.notes)] if told or task.notes else []),
        *_sides(task.sides),
    ]


def _sides(tests: Sequence[SideTest]) -> list[str]:
    """The voice before and after the overlap."""
    if not tests:
        return []
    rows = []
    for found in tests:
        cells = [found.label, f"unknown: {found.unknown}", "", "", "", ""]
        if (test := found.test) is not None:
            interval = f"{test.mean_diff:+.1f} [{test.ci95_low:+.1f}, {test.ci95_high:+.1f}]"
            counts = f"{test.n_used} of {test.n_raw}"
            cells = [found.label, f"{test.mean_before:.1f}", f"{test.mean_after:.1f}", interval, f"{found.p_holm:.3f}", counts]
        rows.append(f"| {' | '.join(cells)} |")
    return [
        "",
        "Voice in answers labelled C_RESPOND, after the overlap less before it (paired t, outliers by MAD dropped, p after Holm):",
        "",
        "| measure | before | after | difference [95 %] | p | files |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def _shown(measure: Measure) -> str:
    if measure.value is None:
        return "unknown"
    interval = f" [{measure.low:.3f}, {measure.high:.3f}]" if measure.low is not None and measure.high is not None else ""
    n = f" n={measure.n}" if measure.n == measure.files else f" n={measure.n} in {measure.files}"
    return f"{measure.value:.3f}{interval}{n}"
