"""Figures of barge-ins: the raster around the onset, the outcomes, the stop latencies."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.analysis.barge_in import OUTCOMES
from workbench.analysis.figures import theme


def raster(rows: pd.DataFrame, *, title: str = "What happens around the moment the user breaks in?") -> go.Figure:
    """A row for each barge-in, both voices, the onset at 0; `rows` as `barge_in.raster` gives it."""
    if rows.empty:
        return theme.nothing(title, "Nobody broke in on the agent in these talks.")
    count = int(rows["row"].max()) + 1
    made = theme.figure(
        title, x="time from the user's onset (s)", y="barge-ins, quickest stop at the top", height=230 + min(14, 60) * count
    )
    for speaker, colour, shift in (("agent", theme.AGENT, 0.18), ("user", theme.USER, -0.18)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for span in rows[rows["speaker"] == speaker].itertuples(index=False):
            xs += [span.start_ms / 1_000, span.end_ms / 1_000, None]
            ys += [span.row - shift, span.row - shift, None]
        made.add_trace(go.Scatter(x=xs, y=ys, mode="lines", line={"color": colour, "width": 5}, name=f"{speaker} speaks", hoverinfo="skip"))
    each = rows.drop_duplicates("row")
    for outcome in OUTCOMES:
        own = each[each["outcome"] == outcome]
        if own.empty:
            continue
        stops = own["stop_latency_ms"] / 1_000
        made.add_trace(
            go.Scatter(
                x=stops.fillna(0.0) if outcome == "yielded" else [0.0] * len(own),
                y=own["row"],
                mode="markers",
                marker={
                    "symbol": "line-ns" if outcome == "yielded" else "x-thin",
                    "size": 11,
                    "line": {"width": 2.5, "color": theme.OUTCOMES[outcome]},
                },
                name=f"{outcome}, n = {len(own):,}",
                customdata=own["session_id"],
                hovertemplate=f"{outcome}, talk %{{customdata}}<extra></extra>",
            )
        )
    made.add_vline(x=0, line={"color": theme.BARGE_IN, "width": 1.5, "dash": "dot"})
    made.update_yaxes(autorange="reversed", showticklabels=False, showgrid=False, zeroline=False, ticks="")
    return theme.caption(
        made, "The mark shows the agent's last audible sample where it yielded. Censored: the user stopped first, or the talk ended."
    )


def outcomes(summary: pd.DataFrame, by: str, *, title: str | None = None) -> go.Figure:
    """What became of the barge-ins, by `by`, in shares of all; `summary` as `barge_in.summary` gives it."""
    title = title or f"Does the agent yield when the user breaks in, by {by.replace('_', ' ')}?"
    if summary.empty:
        return theme.nothing(title, "Nobody broke in on the agent in these talks.")
    made = theme.figure(title, x="share of barge-ins (%)", height=190 + 46 * len(summary))
    names = [f"{theme.said(str(row[by]))}<br>n = {row['n']:,}" for _number, row in summary.iterrows()]
    for outcome in OUTCOMES:
        made.add_trace(
            go.Bar(
                y=names,
                x=100 * summary[outcome] / summary["n"],
                orientation="h",
                marker_color=theme.OUTCOMES[outcome],
                name=outcome,
                text=[f"{count}" if count else "" for count in summary[outcome]],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                hovertemplate=f"{outcome}: %{{x:.0f}} % (%{{text}})<extra></extra>",
            )
        )
    made.update_layout(barmode="stack", bargap=0.4, legend_traceorder="normal")
    made.update_xaxes(range=[0, 100])
    return made


def stop_latency(found: pd.DataFrame, by: str, *, title: str | None = None) -> go.Figure:
    """Every stop latency as a dot, by `by`, with the median; `found` as `barge_in.barge_ins` gives it."""
    title = title or f"How fast does the agent stop, by {by.replace('_', ' ')}?"
    stops = found[found["stop_latency_ms"].notna()]
    if stops.empty:
        return theme.nothing(title, "The agent yielded to no spoken barge-in in these talks.")
    made = theme.figure(title, x="stop latency (ms), onset to the agent's last audible sample", height=210 + 52 * stops[by].nunique())
    tint = theme.colours(found[by])
    for name, group in stops.groupby(by):
        shown = group.sample(min(len(group), 500), random_state=0)
        label = f"{theme.said(str(name))}<br>n = {len(group):,}"
        made.add_trace(
            go.Box(
                x=shown["stop_latency_ms"],
                y=[label] * len(shown),
                orientation="h",
                boxpoints="all",
                jitter=0.5,
                pointpos=0,
                marker={"color": tint[name], "size": 7, "opacity": 0.75},
                line={"color": tint[name]},
                fillcolor="rgba(0,0,0,0)",
                showlegend=False,
                name=str(name),
                hovertemplate="%{x:.0f} ms<extra></extra>",
            )
        )
    made.update_xaxes(rangemode="tozero")
    return theme.caption(made, "Box: quartiles. Only barge-ins to which the agent yielded have a stop latency.")
