"""What a report says, section by section: the figures and tables of the notebooks, with the words between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go

from workbench.analysis import barge_in, latency, personas, timeline, tools
from workbench.analysis.figures import barge_in as barge_in_figures
from workbench.analysis.figures import latency as latency_figures
from workbench.analysis.figures import personas as persona_figures
from workbench.analysis.figures import timeline as timeline_figures
from workbench.analysis.source import Source
from workbench.analysis.tables import Table
from workbench.dynamics import definitions


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a few plain sentences, then figures and tables."""

    title: str
    text: str
    figures: list[go.Figure] = field(default_factory=list)
    tables: Sequence[Table | str] = ()
    """A text is HTML that is ready."""

    @property
    def kept(self) -> list[Table]:
        """The tables that are there with all their digits."""
        return [table for table in self.tables if isinstance(table, Table)]


@dataclass(frozen=True, slots=True)
class Report:
    """All sections of one page. `facts` stand at its head: what the talks are and how they were scored."""

    title: str
    facts: Mapping[str, str]
    sections: list[Section]


def latency_report(source: Source) -> Report:
    """How long answers take, and where the time goes."""
    found, calls = latency.answers(source), tools.calls(source)
    engine = latency.main_engine(found)
    on_one = found[found["engine"] == engine]
    return Report(
        "Latency",
        _facts(source),
        [
            Section(
                "The floor",
                "How long after the user's last sound the agent begins, by the talk's own clock. Below zero it began before the user had "
                "ended. The outermost bars hold what lies beyond them.",
                [latency_figures.offset_histogram(latency.offsets(source))],
            ),
            Section(
                "Answers",
                "Turns of the user that got no answer, and those that the end of the talk cut short, are counted apart: a curve ends "
                "below 100 % by those left unanswered. Intervals are bootstrapped over talks.",
                [latency_figures.answered_within(found, "engine"), _by_persona(on_one, engine)],
                [
                    Table("answers_by_engine", latency.summary(found, "engine")),
                    Table("answers_by_persona", latency.summary(on_one, "persona"), f"talks on {engine}"),
                ],
            ),
            Section(
                "Stages",
                "What each stage of answering took. `asr` runs within `end_of_turn`.",
                [],
                [Table("stages", latency.stages(source))],
            ),
            Section(
                "Tools",
                "From the end of the user's words to the first audible sample of the result.",
                [latency_figures.tool_waterfall(calls)],
                [Table("tools", tools.summary(calls))],
            ),
            Section(
                "Frames",
                "The work on each frame of 80 ms, in talks held in real time only.",
                [latency_figures.frame_strip(latency.frame_strip(source))],
                [Table("frames", latency.frames(source))],
            ),
        ],
    )


def barge_in_report(source: Source) -> Report:
    """What happens when the user breaks in."""
    return Report("Barge-ins", _facts(source), _barge_in_sections(source))


def _barge_in_sections(source: Source) -> list[Section]:
    found = barge_in.barge_ins(source)
    engine = latency.main_engine(found)
    on_one = found[found["engine"] == engine]
    by_engine, by_persona = barge_in.summary(found, "engine"), barge_in.summary(on_one, "persona")
    sections = [
        Section(
            "Barge-ins",
            "Yielded: the agent stopped within 2 s of the onset. Ignored: it talked on. Censored: the user stopped first, or the talk "
            "ended, and nobody can know. Shares of yielding are of those that were decided.",
            [barge_in_figures.outcomes(by_engine, "engine"), barge_in_figures.outcomes(by_persona, "persona")],
            [
                Table("barge_ins_by_engine", by_engine),
                Table("barge_ins_by_persona", by_persona, f"talks on {engine}"),
            ],
        ),
        Section(
            "Stop latency",
            "Onset of the user to the agent's last audible sample, of barge-ins that were yielded to.",
            [barge_in_figures.stop_latency(found, "engine"), barge_in_figures.raster(barge_in.raster(source, found))],
        ),
    ]
    if not found.empty:
        typical = found.sort_values("start_ms").iloc[len(found) // 2]["session_id"]
        shown = timeline_figures.timeline(timeline.timeline(source, str(typical)))
        sections.append(Section("One talk", "A talk with a barge-in, whole. Point at a turn for its words.", [shown]))
    return sections


def persona_report(source: Source) -> Report:
    """Personas side by side."""
    data = personas.persona_data(source)
    measured = personas.measures(data)
    sections = [
        Section(
            "Measures",
            f"Talks on {data.engine} only. A version is the hash of a persona's content, so an edited prompt stands beside what it was. "
            "An interval needs five talks.",
            [persona_figures.comparison(measured, data.engine)],
            [Table("measures", measured[["version", "title", "unit", "sessions", "value", "low", "high"]])],
        )
    ]
    if len(data.versions) >= 2:
        counted = data.talks["version"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        first, second = (str(version) for version in counted.index[:2])
        compared = personas.compare(data, first, second)
        sections.append(
            Section(
                "The two with the most talks",
                "A version is called better only where the interval of the difference leaves out zero. Intervals are not corrected for the "
                "number of measures.",
                [persona_figures.difference(compared, first, second)],
                [Table("compared", compared, f"first: {first}, second: {second}")],
            )
        )
    return Report("Personas", _facts(source), sections)


def talks_report(source: Source) -> Report:
    """The reports on latency and on barge-ins in one."""
    first = latency_report(source)
    return Report("Latency and barge-ins", first.facts, [*first.sections, *_barge_in_sections(source)])


REPORTS: Mapping[str, Callable[[Source], Report]] = {"latency": latency_report, "barge-in": barge_in_report, "persona": persona_report}


def _by_persona(found: pd.DataFrame, engine: str) -> go.Figure:
    return latency_figures.answered_within(found, "persona", title=f"How soon is the user answered, by persona, on {engine}?")


def _facts(source: Source) -> dict[str, str]:
    talks = timeline.sessions(source)
    if talks.empty:
        return {"talks": "0", "from": source.name}
    scored = talks["scored_by"].fillna("unknown").value_counts()
    told = ", ".join(f"{by} ({count})" for by, count in scored.items())
    today = definitions.version()
    return {
        "talks": f"{len(talks):,} of {talks['started_at'].min():%Y-%m-%d} to {talks['started_at'].max():%Y-%m-%d}",
        "turns": f"{int(talks['turns'].sum()):,}",
        "engines": _counts(talks["engine"]),
        "personas": _counts(talks["persona"]),
        "pace": _counts(talks["pace"]),
        "turns derived by": told + ("" if set(scored.index) == {today} else f"; today's definitions are {today}: see `workbench rescore`"),
        "from": source.name,
    }


def _counts(values: pd.Series) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in values.value_counts().items())
