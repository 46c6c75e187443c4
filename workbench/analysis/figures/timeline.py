"""One talk as two lanes: the user above, the agent below, the tools under both, barge-ins across."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.analysis.figures import theme
from workbench.analysis.timeline import TalkTimeline

_LANES = {"user": 2.0, "agent": 1.0, "tools": 0.0}
_HALF = 0.34
_WORDS_SHOWN = 90


def timeline(talk: TalkTimeline, *, title: str | None = None) -> go.Figure:
    """The speech of both, as detected live; turns with their words to point at; tools; barge-ins with their outcome."""
    title = title or "Who spoke when?"
    made = theme.figure(f"{title} {talk.persona} on {talk.engine}", x="session time (s)", height=330)
    for speaker, colour in (("user", theme.USER), ("agent", theme.AGENT)):
        own = talk.speech[talk.speech["speaker"] == speaker]
        made.add_trace(_bars(own, _LANES[speaker], colour, speaker, _HALF))
        made.add_trace(_turns(talk.turns[talk.turns["speaker"] == speaker], _LANES[speaker], colour))
    if not talk.tools.empty:
        made.add_trace(_tools(talk.tools))
    _barge_ins(made, talk.barge_ins)
    lanes = [lane for lane in _LANES if lane != "tools" or not talk.tools.empty]
    made.update_yaxes(tickvals=[_LANES[lane] for lane in lanes], ticktext=lanes, showgrid=False, zeroline=False)
    made.update_yaxes(range=[-0.6 if "tools" in lanes else 0.4, 3.0 if not talk.barge_ins.empty else 2.6])
    made.update_xaxes(range=[0, talk.length_ms / 1_000])
    return made


def _bars(spans: pd.DataFrame, lane: float, colour: str, name: str, half: float) -> go.Scatter:
    """Rectangles as one filled trace, so that a long talk is still one object."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for start, end in zip(spans["start_ms"] / 1_000, spans["end_ms"] / 1_000, strict=True):
        xs += [start, end, end, start, start, None]
        ys += [lane - half, lane - half, lane + half, lane + half, lane - half, None]
    return go.Scatter(x=xs, y=ys, fill="toself", mode="none", fillcolor=colour, name=f"{name} speaks", hoverinfo="skip")


def _turns(turns: pd.DataFrame, lane: float, colour: str) -> go.Scatter:
    """A mark at the middle of each turn that tells its words."""
    texts = []
    for turn in turns.itertuples(index=False):
        words = theme.said(str(turn.text or "(no words known)"))
        latency = "" if pd.isna(turn.latency_ms) else f"<br>{turn.latency_ms:+.0f} ms after the other"
        cut = "<br>interrupted" if turn.interrupted is True else ""
        texts.append(f"{words[:_WORDS_SHOWN]}{'…' if len(words) > _WORDS_SHOWN else ''}{latency}{cut}")
    return go.Scatter(
        x=(turns["start_ms"] + turns["end_ms"]) / 2_000,
        y=[lane] * len(turns),
        mode="markers",
        marker={"color": "rgba(255,255,255,0.9)", "size": 7, "line": {"color": colour, "width": 2}},
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _tools(tools: pd.DataFrame) -> go.Bar:
    lasted = (tools["end_ms"].fillna(tools["start_ms"]) - tools["start_ms"]) / 1_000
    return go.Bar(
        y=[_LANES["tools"]] * len(tools),
        base=tools["start_ms"] / 1_000,
        x=lasted.clip(lower=0.06),
        orientation="h",
        width=0.4,
        marker={"color": theme.TOOL, "line": {"width": 0}},
        text=[theme.said(str(name)) for name in tools["action"]],
        textposition="outside",
        cliponaxis=False,
        name="tools at work",
        customdata=[theme.said(f"{row.status}: {row.spoken or row.error or ''}"[:_WORDS_SHOWN]) for row in tools.itertuples()],
        hovertemplate="%{text}<br>%{customdata}<extra></extra>",
    )


def _barge_ins(made: go.Figure, barge_ins: pd.DataFrame) -> None:
    for number, barge_in in enumerate(barge_ins.itertuples(index=False)):
        at = barge_in.start_ms / 1_000
        made.add_vline(x=at, line={"color": theme.BARGE_IN, "width": 1.5, "dash": "dot"})
        latency = "" if pd.isna(barge_in.stop_latency_ms) else f" in {theme.seconds(barge_in.stop_latency_ms)}"
        made.add_annotation(
            text=f"barge-in: {barge_in.outcome}{latency}",
            x=at,
            y=2.88 if number % 2 else 2.56,
            xanchor="left",
            xshift=4,
            font={"color": theme.BARGE_IN, "size": 11},
        )
