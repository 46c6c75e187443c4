"""A comparison of personas as one self-contained HTML page: what it rests on, differences with intervals, levels, facts, prompts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import groupby

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.comparison import Finding
from evaluation.comparison_table import HEAD, basis, finding_cells, telling, winners
from evaluation.run_comparison import RunComparison, verdict
from workbench.analysis.figures import personas as persona_figures
from workbench.analysis.figures import theme
from workbench.analysis.page import page
from workbench.analysis.report import Report, Section
from workbench.personas import diff

PANELS_PER_ROW = 4
_TINTS = {"better": theme.SERIES[2], "differs": theme.SERIES[0]}
"""Of a claimed difference; every other verdict is grey."""


def comparison_page(found: RunComparison) -> str:
    """The whole page."""
    sections = [_differences(found, engine) for engine in found.engines]
    sections += [_levels(found, engine) for engine in found.engines]
    asked = [fact for fact in found.facts if fact.asked]
    names = sorted(found.personas)
    rows = [[fact.text, *(telling(fact, name) for name in names)] for fact in asked]
    sections.append(
        Section(
            "Facts",
            "Facts of all the prompts that the user's words asked for: the mean share told, and how often each was asked for. A fact that "
            "only one of the prompts holds is asked of all.",
            [],
            [_table(("fact", *names), rows, text=1)],
        )
    )
    first = names[0] if found.baseline is None else found.baseline
    changes = [(name, diff(found.personas[first], found.personas[name])) for name in names if name != first]
    sections.append(
        Section(
            "Prompts",
            f"What is different from {first}. Personas whose files differ only in their ids talk alike.",
            [],
            [f"<h3>{html.escape(name)}</h3><pre>{html.escape(change or 'nothing')}</pre>" for name, change in changes],
        )
    )
    return page(Report("Personas compared", {"run": found.run.name, **_facts(found)}, sections))


def _facts(found: RunComparison) -> dict[str, str]:
    return {
        "talks": ", ".join(f"{count} {status}" for status, count in sorted(found.rows.items())),
        "engines": ", ".join(found.engines),
        "personas": ", ".join(f"{name} {persona.content_hash[:8]}" for name, persona in sorted(found.personas.items())),
        "baseline": found.baseline or "none: every pair",
        "winners": " ".join(winners(found)),
        "tests": " ".join(basis(found)[1 : -len(winners(found))]),
    }


def _differences(found: RunComparison, engine: str) -> Section:
    findings = [finding for finding in found.comparison.findings if finding.engine == engine]
    tables = [
        _table(HEAD, map(finding_cells, own), text=2, caption=f"first: {first}, second: {second}")
        for (first, second), own in groupby(findings, lambda each: (each.first, each.second))
    ]
    return Section(
        f"Differences on {engine}",
        "Second less first, paired over scenario and seed. The scenario is the unit: its talks are averaged, whole scenarios are resampled "
        "and flip their signs. A winner is named only where the interval leaves out zero, p is below 0.05 after Holm's correction over "
        "every test of this page, and one direction is the better one.",
        [differences(findings, engine)],
        tables,
    )


def differences(findings: Sequence[Finding], engine: str) -> go.Figure:
    """Each measure in a panel of its own, a dot with its interval for each pair, in the measure's unit. What cannot be told is left out."""
    title = "What differs between the personas?"
    known = [finding for finding in findings if finding.difference is not None]
    if not known:
        return theme.nothing(title, "No measure has two scenarios in common.")
    measures = {finding.measure.name: finding.measure for finding in known}
    lines = -(-len(measures) // PANELS_PER_ROW)
    pairs = list(dict.fromkeys(_pair(finding) for finding in known))
    made = make_subplots(
        rows=lines,
        cols=PANELS_PER_ROW,
        shared_yaxes=True,
        subplot_titles=[theme.said(measure.heading) for measure in measures.values()],
        horizontal_spacing=0.03,
        vertical_spacing=0.44 / lines,
    )
    made.update_layout(template=theme.template(), title_text=title, height=130 + lines * (130 + 30 * len(pairs)), showlegend=False)
    made.update_annotations(font_size=12)
    for number, (name, measure) in enumerate(measures.items()):
        row, column = number // PANELS_PER_ROW + 1, number % PANELS_PER_ROW + 1
        for finding in known:
            if finding.measure.name == name:
                made.add_trace(_dot(finding), row=row, col=column)
        made.add_vline(x=0, line={"color": theme.HUMAN, "width": 1.5}, row=row, col=column)
        made.update_xaxes(title_text=theme.said(measure.unit), title_standoff=4, nticks=5, row=row, col=column)
    made.update_yaxes(categoryorder="array", categoryarray=[theme.said(pair) for pair in reversed(pairs)])
    return theme.caption(
        made, f"Talks on {engine}. Whiskers: 95 % bootstrap interval over scenarios. Green: a winner; blue: a difference; grey: none shown."
    )


def _pair(finding: Finding) -> str:
    return f"{finding.second} − {finding.first}"


def _dot(finding: Finding) -> go.Scatter:
    assert finding.difference is not None
    spread, tint = finding.difference, _TINTS.get(finding.verdict, theme.HUMAN)
    return go.Scatter(
        x=[spread.value],
        y=[theme.said(_pair(finding))],
        mode="markers",
        marker={"color": tint, "size": 9},
        error_x={
            "symmetric": False,
            "array": [spread.high - spread.value],
            "arrayminus": [spread.value - spread.low],
            "color": tint,
            "thickness": 2,
            "width": 4,
        },
        text=[theme.said(verdict(finding))],
        hovertemplate=f"%{{x:+.3g}} {theme.said(finding.measure.unit)}, {finding.scenarios} scenarios<br>%{{text}}<extra></extra>",
    )


def _levels(found: RunComparison, engine: str) -> Section:
    frame = pd.DataFrame(
        [
            {
                "version": level.persona,
                "measure": level.measure.name,
                "title": level.measure.title,
                "unit": level.measure.unit,
                "better": level.measure.better,
                "sessions": level.talks,
                "n": level.scenarios,
                "value": level.value,
                "low": level.interval.low if level.interval else None,
                "high": level.interval.high if level.interval else None,
            }
            for level in found.levels
            if level.engine == engine
        ]
    ).astype({"value": "float64", "low": "float64", "high": "float64"})
    counted = "Whiskers: 95 % bootstrap interval over scenarios; hollow: fewer than 2."
    return Section(
        f"Each persona on {engine}",
        "Over each persona's own scenarios; where two were not asked the same, look at the differences above.",
        [persona_figures.comparison(frame, engine, title="How does each persona do?", counted=counted)],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, text: int, caption: str = "") -> str:
    """A table of ready cells; the first `text` columns and the last one are set left."""

    def side(column: int) -> str:
        return ' class="text"' if column < text or (column == len(head) - 1 and text > 1) else ""

    top = "".join(f"<th{side(column)}>{html.escape(cell)}</th>" for column, cell in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{side(column)}>{html.escape(cell)}</td>" for column, cell in enumerate(row)) + "</tr>" for row in rows
    )
    told = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f'<table class="wb-table">{told}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
