"""Figures of latency: the floor transfers, the answers, the tools' waterfall, the frames."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.analysis import human
from workbench.analysis.figures import theme
from workbench.analysis.tools import STAGES
from workbench.audio.frames import FRAME_MS
from workbench.dynamics.floor import TROUBLE_MS

SHOWN_MS = (-1_500, 4_000)
BIN_MS = 100
_STAGE_NAMES = {"understood": "understand", "dispatched": "dispatch", "answered": "tool at work", "spoken": "until it is heard"}


def offset_histogram(offsets: pd.DataFrame, *, title: str = "How does the agent take the floor, beside people?") -> go.Figure:
    """Floor-transfer offsets of the agent as a histogram with the human median, and shares beside the published ones.

    `offsets` as `latency.offsets` gives it. Offsets outside `SHOWN_MS` are counted in the outermost bins.
    """
    own = offsets[offsets["speaker"] == "agent"]["latency_ms"]
    if own.empty:
        return theme.nothing(title, "No turn of the agent follows one of the user in these talks.")
    made = make_subplots(rows=1, cols=2, column_widths=[0.66, 0.34], horizontal_spacing=0.19)
    made.update_layout(template=theme.template(), title_text=title, height=420, bargap=0.04, barmode="group")
    low, high = SHOWN_MS
    bins = {"start": low, "end": high, "size": BIN_MS}
    clipped = own.clip(low + 1, high - 1)
    made.add_trace(
        go.Histogram(
            x=clipped, xbins=bins, marker_color=theme.AGENT, name=f"agent, n = {len(own):,}", hovertemplate="%{x} ms: %{y}<extra></extra>"
        ),
        row=1,
        col=1,
    )
    for at, colour, name in ((own.median(), theme.AGENT, "agent"), (human.TELEPHONE_MEDIAN_MS, theme.HUMAN, "people")):
        made.add_vline(x=at, line={"color": colour, "width": 2, "dash": "solid" if name == "agent" else "dash"}, row=1, col=1)
    made.add_annotation(
        text=f"— median of the agent {own.median():.0f} ms<br>- - median of people {human.TELEPHONE_MEDIAN_MS:.0f} ms",
        x=1,
        y=1,
        xref="x domain",
        yref="y domain",
        xanchor="right",
        yanchor="top",
        align="right",
    )
    made.update_xaxes(title_text="floor-transfer offset (ms), overlap is negative", range=list(SHOWN_MS), row=1, col=1)
    made.update_yaxes(title_text="turns of the agent", row=1, col=1)
    titles = [share.title for share in human.SHARES]
    agent = [100 * (own < share.below_ms).mean() for share in human.SHARES]
    people = [50 * (share.low + share.high) for share in human.SHARES]
    spans = [50 * (share.high - share.low) for share in human.SHARES]
    made.add_trace(_share_bars(titles, agent, theme.AGENT, None), row=1, col=2)
    made.add_trace(_share_bars(titles, people, theme.HUMAN, spans), row=1, col=2)
    made.update_xaxes(title_text="share of transfers (%)", range=[0, 119], row=1, col=2)
    made.update_yaxes(autorange="reversed", row=1, col=2)
    return theme.caption(made, human.SOURCE)


def _share_bars(titles: list[str], shares: list[float], colour: str, spans: list[float] | None) -> go.Bar:
    return go.Bar(
        y=titles,
        x=shares,
        orientation="h",
        marker_color=colour,
        error_x={"array": spans, "color": theme.HUMAN} if spans else None,
        name="people, as published" if spans else "agent",
        showlegend=bool(spans),
        text=[f" {share:.0f} %" for share in shares] if not spans else None,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
    )


def answered_within(answers: pd.DataFrame, by: str, *, title: str | None = None) -> go.Figure:
    """The share of the user's turns that were answered within a time, by `by`: a curve that ends below 100 % by those left unanswered.

    `answers` as `latency.answers` gives it; censored turns are left out and counted in the legend.
    """
    title = title or f"How soon is the user answered, by {by.replace('_', ' ')}?"
    decided = answers[answers["outcome"] != "censored"]
    if decided.empty:
        return theme.nothing(title, "No turn of the user could be followed to its answer in these talks.")
    made = theme.figure(title, x="floor-transfer offset (ms), overlap is negative", y="turns answered by then (%)", height=420)
    tint = theme.colours(answers[by])
    for name, group in decided.groupby(by):
        latency = group["latency_ms"].dropna().sort_values()
        shares = [100 * (number + 1) / len(group) for number in range(len(latency))]
        censored = int(((answers[by] == name) & (answers["outcome"] == "censored")).sum())
        legend = f"{theme.said(str(name))}: n = {len(group):,}, unanswered {len(group) - len(latency):,}, censored {censored:,}"
        began = min(SHOWN_MS[0], latency.min()) if len(latency) else SHOWN_MS[0]
        xs, ys = _thinned(
            [began, *latency, max(SHOWN_MS[1], latency.max() if len(latency) else 0)], [0, *shares, shares[-1] if shares else 0]
        )
        made.add_trace(
            go.Scatter(
                x=xs,
                y=ys,
                mode="lines",
                line={"shape": "hv", "color": tint[name], "width": 2.4},
                name=legend,
                hovertemplate="%{y:.0f} % within %{x:.0f} ms<extra></extra>",
            )
        )
    made.add_vline(x=human.TELEPHONE_MEDIAN_MS, line={"color": theme.HUMAN, "width": 1.5, "dash": "dash"})
    made.add_vline(x=TROUBLE_MS, line={"color": theme.HUMAN, "width": 1.5, "dash": "dot"})
    made.update_xaxes(range=list(SHOWN_MS))
    made.update_yaxes(range=[0, 103])
    made.update_layout(legend={"orientation": "v", "x": 1, "xanchor": "right", "y": 0.03, "yanchor": "bottom"})
    return theme.caption(
        made, "Dashed: median of people (Roberts et al. 2015). Dotted: 700 ms, heard as trouble (Roberts and Francis 2013)."
    )


def _thinned(xs: list[float], ys: list[float], most: int = 2_000) -> tuple[list[float], list[float]]:
    """A curve of a million points drawn with as many as a screen can show; its ends stay."""
    if len(xs) <= most:
        return xs, ys
    keep = sorted({round(number * (len(xs) - 1) / (most - 1)) for number in range(most)})
    return [xs[number] for number in keep], [ys[number] for number in keep]


def tool_waterfall(calls: pd.DataFrame, *, title: str = "Where does the time go between a request and its spoken result?") -> go.Figure:
    """For each tool the median of each stage, one after the other; the whole of each call as a dot.

    `calls` as `tools.calls` gives it; only calls whose result was spoken. Medians need not add up to the median of the whole.
    """
    columns = [f"{stage}_ms" for stage in STAGES]
    whole = calls.dropna(subset=columns)
    if whole.empty:
        return theme.nothing(title, "No tool result was spoken in these talks.")
    made = theme.figure(title, x="time since the user's last word (ms)", height=200 + 62 * whole["action"].nunique())
    names = {action: f"{theme.said(str(action))}<br>n = {len(group):,}" for action, group in whole.groupby("action")}
    order = whole.groupby("action")[columns].median().sum(axis=1).sort_values(ascending=False).index
    tint = (theme.USER, "#8c6bb1", theme.TOOL, theme.AGENT)
    for stage, column, colour in zip(STAGES, columns, tint, strict=True):
        made.add_trace(
            go.Bar(
                y=[names[action] for action in order],
                x=[whole[whole["action"] == action][column].median() for action in order],
                orientation="h",
                marker_color=colour,
                name=_STAGE_NAMES[stage],
                hovertemplate=f"{stage}: %{{x:.0f}} ms<extra></extra>",
            )
        )
    shown = whole.groupby("action").head(200)
    made.add_trace(
        go.Scatter(
            y=[names[action] for action in shown["action"]],
            x=shown[columns].sum(axis=1),
            mode="markers",
            marker={"color": "rgba(128,128,128,0.55)", "size": 7, "line": {"width": 1, "color": "rgba(255,255,255,0.7)"}},
            name="one whole call",
            hovertemplate="%{x:.0f} ms in all<extra></extra>",
        )
    )
    made.update_layout(barmode="stack", bargap=0.45, legend_traceorder="normal")
    return theme.caption(
        made,
        "Bars: median of each stage: words to intent, intent to the tool's start, the tool, result to its first sample.",
    )


def frame_strip(strip: pd.DataFrame, *, title: str = "Which frames took longer than they last?") -> go.Figure:
    """The slowest frame of each second as a strip for each talk; `strip` as `latency.frame_strip` gives it."""
    if strip.empty:
        return theme.nothing(title, "No talk here was held in real time; in virtual time a frame has no deadline.")
    table = strip.pivot(index="session_id", columns="second", values="worst_ms")
    missed = strip.groupby("session_id")["missed"].sum()
    table = table.reindex(missed.sort_values(kind="stable").index)
    made = theme.figure(title, x="session time (s), slowest frame of each second", height=max(300, 190 + 20 * len(table)))
    made.add_trace(
        go.Heatmap(
            z=table.to_numpy(),
            x=list(table.columns),
            y=[f"{name[:8]}  ({int(missed[name])} missed)" for name in table.index],
            zmin=0,
            zmax=100,
            colorscale=[list(step) for step in theme.LATE_SCALE],
            colorbar={"title": {"text": "ms"}, "thickness": 12, "lenmode": "pixels", "len": 130, "tickvals": [0, 40, FRAME_MS, 100]},
            hoverongaps=False,
            ygap=3,
            hovertemplate="%{y}, second %{x}: %{z:.1f} ms<extra></extra>",
        )
    )
    made.update_yaxes(showgrid=False)
    made.update_xaxes(showgrid=False)
    return theme.caption(made, f"A frame lasts {FRAME_MS} ms; longer work is heard as a gap unless the player holds enough back.")
