"""Personas side by side: one row of sums for each talk, measures with intervals for each version of a persona, and their differences.

A version is the hash of a persona's content, so that an edited prompt is compared with what it was before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.analysis.intervals import Interval, Quantile, Ratio, Statistic, difference, intervals
from workbench.analysis.latency import answers, main_engine
from workbench.analysis.source import AnalysisError, Source

HASH_SHOWN = 8
"""Characters of a persona's hash that are shown; labels stay unique within any realistic library."""

_TALKS = """
WITH said AS (
  SELECT session_id,
         sum(CASE WHEN speaker = 'agent' THEN end_ms - start_ms ELSE 0 END) AS agent_ms,
         sum(CASE WHEN speaker = 'user' THEN end_ms - start_ms ELSE 0 END) AS user_ms,
         sum(CASE WHEN agent_text <> '' THEN length(agent_text) - length(replace(agent_text, ' ', '')) + 1 ELSE 0 END) AS agent_words,
         sum(CASE WHEN speaker = 'agent' THEN 1 ELSE 0 END) AS agent_turns
  FROM (SELECT session_id, speaker, start_ms, end_ms, CASE WHEN speaker = 'agent' THEN trim(text) END AS agent_text FROM turns) AS t
  GROUP BY 1
),
cut AS (
  SELECT session_id, sum(CASE WHEN outcome = 'yielded' THEN 1 ELSE 0 END) AS yielded,
         sum(CASE WHEN outcome = 'ignored' THEN 1 ELSE 0 END) AS ignored
  FROM barge_ins GROUP BY 1
),
used AS (
  SELECT session_id, sum(CASE WHEN status = 'success' THEN 1 ELSE 0 END) AS tool_success,
         sum(CASE WHEN status IN ('success', 'error', 'timeout') THEN 1 ELSE 0 END) AS tool_ended
  FROM tool_invocations GROUP BY 1
)
SELECT s.session_id, s.persona, s.persona_hash, coalesce(s.engine, 'unknown') AS engine,
       coalesce(agent_ms, 0) AS agent_ms, coalesce(user_ms, 0) AS user_ms, coalesce(agent_words, 0) AS agent_words,
       coalesce(agent_turns, 0) AS agent_turns, coalesce(yielded, 0) AS yielded, coalesce(ignored, 0) AS ignored,
       coalesce(tool_success, 0) AS tool_success, coalesce(tool_ended, 0) AS tool_ended
FROM sessions s LEFT JOIN said ON said.session_id = s.session_id LEFT JOIN cut ON cut.session_id = s.session_id
LEFT JOIN used ON used.session_id = s.session_id
WHERE s.transport <> 'http' ORDER BY s.session_id
"""


@dataclass(frozen=True, slots=True)
class PersonaData:
    """All that the measures are taken from; both frames carry `session_id` and `version` (the label of the persona's version)."""

    engine: str
    """The engine that all talks ran on: a persona on another one is another persona."""
    talks: pd.DataFrame
    answers: pd.DataFrame

    def of(self, version: str) -> PersonaData:
        return PersonaData(self.engine, self.talks[self.talks["version"] == version], self.answers[self.answers["version"] == version])

    def only(self, persona: str) -> PersonaData:
        """The talks of all versions of one persona, by its id."""
        return PersonaData(self.engine, self.talks[self.talks["persona"] == persona], self.answers[self.answers["persona"] == persona])

    @property
    def versions(self) -> list[str]:
        return sorted(self.talks["version"].unique())


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a persona. `better`: which direction is the better one; None where neither is."""

    name: str
    title: str
    unit: str
    better: str | None
    statistic: Callable[[PersonaData], Statistic]


def _sums(above: str, *below: str, scale: float = 1.0) -> Callable[[PersonaData], Statistic]:
    return lambda data: Ratio(data.talks[above] * scale, data.talks[list(below)].sum(axis=1))


def _reply(data: PersonaData) -> Statistic:
    answered = data.answers[data.answers["latency_ms"].notna()]
    return Quantile(answered["latency_ms"], answered["session_id"])


MEASURES = (
    Measure("reply_ms", "Reply latency, median", "ms", "lower", _reply),
    Measure("unanswered", "Turns left unanswered", "%", "lower", lambda data: Ratio(100 * data.talks["unanswered"], data.talks["decided"])),
    Measure("talk_share", "Agent's share of the talk", "%", None, _sums("agent_ms", "agent_ms", "user_ms", scale=100.0)),
    Measure("words_per_turn", "Words per agent turn", "words", None, _sums("agent_words", "agent_turns")),
    Measure("words_per_minute", "Speaking rate in its turns", "words/min", None, _sums("agent_words", "agent_ms", scale=60_000.0)),
    Measure("yielded", "Barge-ins yielded to", "%", "higher", _sums("yielded", "yielded", "ignored", scale=100.0)),
    Measure("tool_success", "Tool calls that succeeded", "%", "higher", _sums("tool_success", "tool_ended", scale=100.0)),
)


def persona_data(source: Source, engine: str | None = None) -> PersonaData:
    """The spoken talks on one engine, by version of persona; the engine with the most talks when none is named. Raises AnalysisError
    for an engine without talks."""
    talks, found = source.frame(_TALKS), answers(source)
    if engine is None:
        engine = main_engine(talks)
    elif engine not in set(talks["engine"]):
        there = ", ".join(sorted(talks["engine"].unique())) or "none"
        raise AnalysisError(f"there is no spoken talk on the engine {engine!r}. There are: {there}.")
    talks = talks[talks["engine"] == engine]
    # One look-up for each answer: there may be a million of them, and each costs the hash of a talk's name.
    place = pd.Index(talks["session_id"]).get_indexer(pd.Index(found["session_id"]))
    here = place >= 0
    found, place = found[here].reset_index(drop=True), place[here]
    counts = {
        "unanswered": np.bincount(place[found["outcome"] == "unanswered"], minlength=len(talks)),
        "decided": np.bincount(place[found["outcome"] != "censored"], minlength=len(talks)),
    }
    talks = _labelled(talks.assign(**counts))
    return PersonaData(engine, talks, found.assign(version=talks["version"].to_numpy()[place]))


def _labelled(found: pd.DataFrame) -> pd.DataFrame:
    keys = ["persona", "persona_hash"]
    known = found[keys].drop_duplicates()
    label = known["persona"].fillna("unknown") + " " + known["persona_hash"].fillna("").str[:HASH_SHOWN]
    return found.merge(known.assign(version=label.str.strip()), on=keys, how="left")


def measures(data: PersonaData) -> pd.DataFrame:
    """Every measure of every version: `version`, `measure`, `title`, `unit`, `better`, `sessions`, `n`, `value`, `low`, `high` (NaN when
    unknown). `sessions` counts the talks that have a part in it."""
    rows = []
    for version in data.versions:
        own = data.of(version)
        statistics = [measure.statistic(own) for measure in MEASURES]
        for measure, statistic, spread in zip(MEASURES, statistics, intervals(statistics), strict=True):
            rows.append(
                {
                    "version": version,
                    "measure": measure.name,
                    "title": measure.title,
                    "unit": measure.unit,
                    "better": measure.better,
                    "sessions": statistic.sessions,
                    "n": statistic.size,
                    "value": statistic.value,
                    "low": spread.low if spread else None,
                    "high": spread.high if spread else None,
                }
            )
    columns = ["version", "measure", "title", "unit", "better", "sessions", "n", "value", "low", "high"]
    found = pd.DataFrame(rows, columns=columns)
    return found.astype({"value": "float64", "low": "float64", "high": "float64"})


def compare(data: PersonaData, first: str, second: str) -> pd.DataFrame:
    """`second` less `first` in every measure: `measure`, `title`, `unit`, `first`, `second`, `difference`, `low`, `high`, `verdict`.

    The verdict names the better version only where the interval leaves out zero and a direction is the better one. These are single
    95 % intervals: over many measures or versions one in twenty leaves out zero by chance. Raises AnalysisError for an unknown version.
    """
    for version in (first, second):
        if version not in data.versions:
            raise AnalysisError(f"there is no persona version {version!r}. There are: {', '.join(data.versions) or 'none'}.")
    one, two = data.of(first), data.of(second)
    rows = []
    for measure in MEASURES:
        before, after = measure.statistic(one), measure.statistic(two)
        spread = difference(before, after)
        both = before.value is not None and after.value is not None
        rows.append(
            {
                "measure": measure.name,
                "title": measure.title,
                "unit": measure.unit,
                "first": before.value,
                "second": after.value,
                "difference": (after.value or 0.0) - (before.value or 0.0) if both else None,
                "low": spread.low if spread else None,
                "high": spread.high if spread else None,
                "verdict": _verdict(measure, spread, first, second),
            }
        )
    return pd.DataFrame(rows)


def _verdict(measure: Measure, spread: Interval | None, first: str, second: str) -> str:
    if spread is None:
        return "cannot be told"
    if not spread.excludes_zero:
        return "no difference shown"
    higher = second if spread.low > 0 else first
    if measure.better is None:
        return f"{higher} is higher"
    lower = first if higher == second else second
    return f"{higher if measure.better == 'higher' else lower} is better"


def prompts(source: Source) -> pd.DataFrame:
    """The versions in these talks: `version`, `name`, `voice`, `role`, `prompt` (None when it was left out), `talks`, `first_seen`."""
    found = source.frame(
        """
        SELECT p.persona_id AS persona, p.content_hash AS persona_hash, p.name, p.voice, p.role, p.prompt, p.first_seen,
               (SELECT count(*) FROM sessions s WHERE s.persona_hash = p.content_hash) AS talks
        FROM personas p ORDER BY p.persona_id, p.first_seen
        """
    )
    return _labelled(found).drop(columns=["persona", "persona_hash"])
