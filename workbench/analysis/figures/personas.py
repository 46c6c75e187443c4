"""Figures of personas: every measure with its interval, and the difference of two versions."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.analysis.figures import theme

COUNTED = "Whiskers: 95 % bootstrap interval over talks; hollow: fewer than 5 talks, no interval."

_ARROWS = {"lower": " ↓", "higher": " ↑"}


def comparison(
    measures: pd.DataFrame, engine: str, *, title: str = "How do the versions of the personas differ?", counted: str = COUNTED
) -> go.Figure:
    """Each measure in a panel of its own, a dot with its interval for each version; `measures` as `personas.measures` gives it. A measure
    that nothing is known about is left out; a dot without an interval stands for too few talks. `counted` says what the whiskers are."""
    known = measures[measures["value"].notna()]
    if known.empty:
        return theme.nothing(title, "There are no spoken talks here.")
    names = list(dict.fromkeys(known["measure"]))
    versions = sorted(known["version"].unique(), reverse=True)
    tint = theme.colours(measures["version"])
    per_row = 4
    lines = -(-len(names) // per_row)
    heads = known.drop_duplicates("measure").set_index("measure")
    titles = [f"{heads.loc[name, 'title']}{_ARROWS.get(str(heads.loc[name, 'better']), '')}" for name in names]
    made = make_subplots(
        rows=lines, cols=per_row, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.44 / lines
    )
    made.update_layout(template=theme.template(), title_text=title, height=130 + lines * (130 + 30 * len(versions)), showlegend=False)
    made.update_annotations(font_size=12)
    for number, name in enumerate(names):
        row, column = number // per_row + 1, number % per_row + 1
        for version in versions:
            own = known[(known["measure"] == name) & (known["version"] == version)]
            if own.empty:
                continue
            one = own.iloc[0]
            made.add_trace(_dot(one, version, tint[version]), row=row, col=column)
        unit = str(heads.loc[name, "unit"])
        made.update_xaxes(title_text=unit, title_standoff=4, nticks=5, row=row, col=column)
        if unit == "%":
            made.update_xaxes(range=[-4, 104], row=row, col=column)
    made.update_yaxes(categoryorder="array", categoryarray=[theme.said(version) for version in versions])
    return theme.caption(made, f"Talks on {engine}. {counted} ↓ ↑ better so.")


def _dot(one: pd.Series, version: str, colour: str) -> go.Scatter:
    spread = pd.notna(one["low"])
    error = {"symmetric": False, "array": [one["high"] - one["value"]], "arrayminus": [one["value"] - one["low"]]} if spread else {}
    return go.Scatter(
        x=[one["value"]],
        y=[theme.said(version)],
        mode="markers",
        marker={"color": colour if spread else "rgba(0,0,0,0)", "size": 9, "line": {"color": colour, "width": 2}},
        error_x={"color": colour, "thickness": 2, "width": 4, **error} if spread else None,
        hovertemplate=f"%{{y}}: %{{x:.1f}} {one['unit']}, {one['sessions']} talks, n = {one['n']:,}<extra></extra>",
    )


def difference(compared: pd.DataFrame, first: str, second: str) -> go.Figure:
    """The differences of two versions with their intervals, each in the unit of its measure scaled to the first version's value;
    `compared` as `personas.compare` gives it."""
    title = f"What changes from {first} to {second}?"
    known = compared[compared["difference"].notna() & (compared["first"] != 0)]
    if known.empty:
        return theme.nothing(title, "No measure is known for both.")
    made = theme.figure(title, x="change (% of the first version's value)", height=190 + 40 * len(known))
    scale = 100 / known["first"].abs()
    decided = known["low"].notna() & ((known["low"] > 0) | (known["high"] < 0))
    for shown, colour, name in (
        (decided, theme.SERIES[1], "interval leaves out zero"),
        (~decided, theme.HUMAN, "no difference shown, or too few talks"),
    ):
        own = known[shown]
        if own.empty:
            continue
        known_spread = own["low"].notna()
        made.add_trace(
            go.Scatter(
                x=(own["difference"] * scale[own.index]),
                y=own["title"],
                mode="markers",
                name=name,
                marker={"color": colour, "size": 10},
                error_x={
                    "symmetric": False,
                    "array": ((own["high"] - own["difference"]) * scale[own.index]).where(known_spread, 0),
                    "arrayminus": ((own["difference"] - own["low"]) * scale[own.index]).where(known_spread, 0),
                    "color": colour,
                    "thickness": 2,
                },
                text=own["verdict"].map(theme.said),
                hovertemplate="%{y}: %{x:+.0f} %<br>%{text}<extra></extra>",
            )
        )
    made.add_vline(x=0, line={"color": theme.HUMAN, "width": 1.5})
    made.update_yaxes(autorange="reversed")
    return theme.caption(made, "Whiskers: 95 % bootstrap interval over talks, not corrected for the number of measures.")
