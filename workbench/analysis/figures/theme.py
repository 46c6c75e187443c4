"""One look for all figures: colours that colour-blind eyes tell apart (Okabe and Ito 2008), on light and on dark ground."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Literal

import plotly.graph_objects as go

Theme = Literal["light", "dark"]

USER = "#2b83c6"
AGENT = "#e08214"
TOOL = "#1b9e77"
BARGE_IN = "#c0438f"
HUMAN = "#8a8f98"
"""What people do among themselves; it stands beside, never in the series."""
OUTCOMES: Mapping[str, str] = {"yielded": "#1b9e77", "ignored": "#d55e00", "censored": "#8a8f98"}
SERIES = ("#2b83c6", "#d55e00", "#1b9e77", "#c0438f", "#e6a817", "#56b4e9", "#8c6bb1", "#8a8f98")
LATE_SCALE = ((0.0, "#d5e3ee"), (0.5, "#7fb3d8"), (0.7999, "#1f6fad"), (0.8, "#e6a817"), (1.0, "#b03a00"))
"""For the time of a frame from 0 to 100 ms: it turns at 80."""

_FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_INKS = {
    "light": {"paper": "#ffffff", "ink": "#1d232b", "faint": "#5c6570", "grid": "#e6e9ed", "line": "#c3c9d1"},
    "dark": {"paper": "#14181d", "ink": "#e8ebef", "faint": "#a3acb7", "grid": "#262d35", "line": "#46505c"},
}


def template(theme: Theme = "light") -> go.layout.Template:
    """The theme as a plotly template."""
    ink = _INKS[theme]
    axis = {
        "gridcolor": ink["grid"],
        "linecolor": ink["line"],
        "zerolinecolor": ink["line"],
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": ink["line"],
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13, "color": ink["faint"]}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": _FONT, "size": 13, "color": ink["ink"]},
            "title": {"font": {"size": 17}, "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom"}
            | {"pad": {"b": 34}},
            "paper_bgcolor": ink["paper"],
            "plot_bgcolor": ink["paper"],
            "colorway": list(SERIES),
            "margin": {"l": 64, "r": 24, "t": 88, "b": 60},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "xanchor": "left", "font": {"size": 12}},
            "hoverlabel": {"font": {"family": _FONT, "size": 12}, "align": "left"},
            "annotationdefaults": {"font": {"size": 12, "color": ink["faint"]}, "showarrow": False},
            "shapedefaults": {"line": {"color": ink["line"]}},
        }
    )


def figure(title: str, *, x: str = "", y: str = "", height: int = 380) -> go.Figure:
    """An empty figure. `title` asks the question that the figure answers; `x` and `y` name the axes with their units."""
    made = go.Figure(layout={"template": template(), "title": {"text": said(title)}, "height": height})
    made.update_xaxes(title_text=said(x))
    made.update_yaxes(title_text=said(y))
    return made


def dress(made: go.Figure, theme: Theme) -> go.Figure:
    """The figure in another theme."""
    return go.Figure(made).update_layout(template=template(theme))


def nothing(title: str, why: str) -> go.Figure:
    """A figure that says that there is nothing to show, and why."""
    made = figure(title, height=220)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(text=said(why), x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 14})
    return made


CAPTION = "caption"
"""The name of the annotation that is a caption: a page may show it as text of its own, which wraps."""


def caption(made: go.Figure, text: str) -> go.Figure:
    """A line under the figure: the source of what it is compared with, or how it was counted."""
    made.update_layout(margin_b=92)
    place = {"x": 0, "y": 0, "xref": "paper", "yref": "paper", "yshift": -70, "xanchor": "left", "align": "left"}
    made.add_annotation(name=CAPTION, text=said(text), font={"size": 11}, **place)
    return made


def said(text: str) -> str:
    """Text from a talk, a persona or a tool as plotly shows it: its little markup language must not see it."""
    return html.escape(text, quote=False)


def colours(names: Iterable[object]) -> dict[object, str]:
    """A colour for each name, in sorted order, the same whichever of them are shown together."""
    return {name: SERIES[number % len(SERIES)] for number, name in enumerate(sorted(set(names), key=str))}


def seconds(ms: float) -> str:
    """A latency for people: `340 ms`, `1.27 s`."""
    return f"{ms:.0f} ms" if abs(ms) < 1_000 else f"{ms / 1_000:.2f} s"
