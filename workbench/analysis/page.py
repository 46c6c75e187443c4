"""A report as one HTML page that needs nothing else: plotly.js once, no other host, light and dark."""

from __future__ import annotations

import html
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from workbench.analysis.figures import theme
from workbench.analysis.report import Report, Section


def page(report: Report) -> str:
    """The whole page. Texts are escaped, and nothing in the data can end the script that carries it."""
    figures = [figure for section in report.sections for figure in section.figures]
    data = {
        "figures": [plain(figure) for figure in figures],
        "templates": templates(),
    }
    numbers = iter(range(len(figures)))
    body = "".join(_section(section, [next(numbers) for _figure in section.figures]) for section in report.sections)
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in report.facts.items())
    static = files("workbench.analysis") / "static"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            # Nothing is asked of any host; what is inline is all there is.
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; ",
            "style-src 'unsafe-inline'; img-src data: blob:\">",
            f"<title>{html.escape(report.title)}</title><style>{(static / 'report.css').read_text('utf-8')}</style></head>",
            f'<body><header><h1>{html.escape(report.title)}</h1><button id="theme" type="button">Dark</button></header>',
            f'<dl class="facts">{facts}</dl>{body}',
            f"<script>{get_plotlyjs()}</script>",
            f'<script id="data" type="application/json">{_json(data)}</script>',
            f"<script>{(static / 'report.js').read_text('utf-8')}</script></body></html>",
        )
    )


def _section(section: Section, numbers: list[int]) -> str:
    figures = "".join(f'<div class="figure" data-figure="{number}"></div>' for number in numbers)
    tables = "".join(f'<div class="scroll">{table if isinstance(table, str) else table.html}</div>' for table in section.tables)
    return f"<section><h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>{figures}{tables}</section>"


def plain(figure: go.Figure) -> dict[str, Any]:
    """The figure without its template: whoever shows it gives it the one of the theme."""
    told = figure.to_plotly_json()
    return {"data": told["data"], "layout": {name: value for name, value in told["layout"].items() if name != "template"}}


def templates() -> dict[str, Any]:
    """Plotly's template of each theme."""
    return {name: theme.template(name).to_plotly_json() for name in ("light", "dark")}


def _json(data: object) -> str:
    text: str = to_json_plotly(data)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
