"""The figures: that they show what was measured, say what is missing, and let no text in as markup."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.analysis.known_talks import keep, spoke
from workbench.analysis import barge_in, latency, personas, timeline, tools
from workbench.analysis.figures import barge_in as barge_in_figures
from workbench.analysis.figures import latency as latency_figures
from workbench.analysis.figures import personas as persona_figures
from workbench.analysis.figures import theme
from workbench.analysis.figures import timeline as timeline_figures
from workbench.analysis.page import page
from workbench.analysis.report import REPORTS
from workbench.analysis.source import Source, StoreSource
from workbench.analysis.tables import table_html
from workbench.store.duckdb_store import DuckDbStore


def texts(figure: go.Figure) -> str:
    return json.dumps(figure.to_plotly_json(), default=str)


def test_the_histogram_counts_every_turn_of_the_agent(source: Source) -> None:
    offsets = latency.offsets(source)
    figure = latency_figures.offset_histogram(offsets)
    assert figure.data[0].name == "agent, n = 25"
    assert len(figure.data[0].x) == 25
    assert min(figure.data[0].x) == -500, "an overlap stays an overlap"


def test_a_curve_ends_below_100_percent_by_those_left_unanswered(source: Source) -> None:
    figure = latency_figures.answered_within(latency.answers(source), "persona")
    slow = next(trace for trace in figure.data if trace.name.startswith("slow"))
    assert slow.y[-1] == pytest.approx(100 * 12 / 18)
    assert slow.name == "slow: n = 18, unanswered 6, censored 6"
    assert list(slow.x) == sorted(slow.x)


def test_the_waterfall_adds_the_stages(source: Source) -> None:
    figure = latency_figures.tool_waterfall(tools.calls(source))
    assert [trace.x[0] for trace in figure.data[:4]] == pytest.approx([100, 20, 500, 80])
    assert list(figure.data[4].x) == pytest.approx([700] * 6)


def test_a_talk_in_two_lanes(source: Source) -> None:
    figure = timeline_figures.timeline(timeline.timeline(source, "quick-0"))
    assert {"user speaks", "agent speaks", "tools at work"} <= {trace.name for trace in figure.data}
    assert "barge-in: yielded in 300 ms" in texts(figure)


def test_nothing_to_show_is_said(empty: Source) -> None:
    found = barge_in.barge_ins(empty)
    for figure in (
        latency_figures.offset_histogram(latency.offsets(empty)),
        latency_figures.answered_within(latency.answers(empty), "engine"),
        latency_figures.tool_waterfall(tools.calls(empty)),
        latency_figures.frame_strip(latency.frame_strip(empty)),
        barge_in_figures.raster(barge_in.raster(empty, found)),
        barge_in_figures.outcomes(barge_in.summary(found, "engine"), "engine"),
        barge_in_figures.stop_latency(found, "engine"),
        persona_figures.comparison(personas.measures(personas.persona_data(empty)), "unknown"),
    ):
        assert not figure.data
        assert len(figure.layout.annotations) == 1


@pytest.mark.parametrize("kind", sorted(REPORTS))
def test_a_report_on_no_talks_is_still_a_page(empty: Source, kind: str) -> None:
    assert "<dd>0</dd>" in page(REPORTS[kind](empty))


def test_what_was_said_is_never_markup(tmp_path: Path) -> None:
    """A persona's name, a tool and the words of a turn come from outside."""
    store = DuckDbStore(":memory:")
    evil = "</script><img src=x onerror=alert(1)><b>"
    keep(store, "evil", [*spoke("user", 1, 2), *spoke("agent", 2.5, 4, 500)], engine=evil)
    store.flush()
    store.write(("UPDATE voice_turns SET text = $1", [evil]))
    store.write(("UPDATE voice_sessions SET persona = $1", [evil]))
    source = StoreSource(store, tmp_path)
    figure = timeline_figures.timeline(timeline.timeline(source, "evil"))
    assert "<img" not in texts(figure)
    for kind, build in REPORTS.items():
        written = page(build(source))
        assert "<img src=x" not in written, kind
        # The page's own scripts, and none that a text has opened or closed.
        assert written.count("</script>") == 3 + written.count("plotly.js</script>"), kind
    store.close()


def test_unknown_is_a_dash_and_arrows_show_the_better_direction() -> None:
    written = table_html(
        pd.DataFrame({"engine": ["<i>x"], "n": [1200], "median_ms": [float("nan")], "unanswered_share": [0.125], "odd": [1]})
    )
    assert "&lt;i&gt;x" in written
    assert "<td>1,200</td>" in written
    assert "<td>–</td>" in written
    assert "<td>12.5</td>" in written
    assert "median, ms ↓" in written
    assert "odd" not in written


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_figure_wears_either_theme(name: theme.Theme) -> None:
    made = theme.dress(theme.figure("How?", x="ms"), name)
    assert made.layout.template.layout.paper_bgcolor == ("#ffffff" if name == "light" else "#14181d")


def test_a_name_has_one_colour_whoever_stands_beside_it() -> None:
    names = ["b", "a", "c"]
    assert theme.colours(names)["b"] == theme.colours(sorted(names))["b"]
