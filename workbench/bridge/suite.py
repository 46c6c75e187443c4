"""Labelled utterances, and how well a classifier reads them. Every row is also put before the policy: what matters in the end is not
what an utterance is called but whether anything runs."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from workbench.bridge.intent import Classifier, Intent, IntentKind
from workbench.bridge.named import action_words, name_words, named_tool
from workbench.bridge.policy import Decision, Pending, decide, gate
from workbench.bridge.registry import Registry
from workbench.events import Tier

KINDS: tuple[str, ...] = get_args(IntentKind)
TIERS: tuple[str, ...] = get_args(Tier)
SCORED = ("kind", "tool", "tier")


class SuiteError(ValueError):
    """A row cannot be read. The message has its line number and what is wrong."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled utterance. `expect` holds only what is scored."""

    line: int
    text: str
    pending: str | None
    expect: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, how it was read, and what the policy would do."""

    row: Row
    found: Mapping[str, str | None]
    decision: Decision
    took_ms: float
    """Wall time of the classification."""
    cpu_ms: float
    """Processor time of it: what is left of the wall time on a machine that does nothing else."""
    source: str

    @property
    def right(self) -> bool:
        return all(self.found[key] == value for key, value in self.row.expect.items())


@dataclass(frozen=True, slots=True)
class Rate:
    """How well one kind is told from the others. A rate is None where there is nothing to divide by."""

    n: int
    """Rows that are of this kind."""
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """What a suite says about a classifier."""

    judged: Sequence[Judged]
    per_class: Mapping[str, Rate] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.judged)

    @property
    def sources(self) -> dict[str, int]:
        """Who read how many rows: an endpoint that fails leaves them to the rules."""
        return dict(Counter(each.source for each in self.judged))

    @property
    def accuracy(self) -> float:
        """Share of rows of which all that is expected was found; NaN for an empty suite."""
        return sum(each.right for each in self.judged) / self.n if self.judged else math.nan

    @property
    def misses(self) -> list[Judged]:
        return [each for each in self.judged if not each.right]

    @property
    def destructive(self) -> list[Judged]:
        """Rows that ask for something that cannot be undone."""
        return [each for each in self.judged if each.row.expect.get("tier") == "destructive" and each.row.expect.get("kind") == "command"]

    @property
    def ungated(self) -> list[Judged]:
        """Destructive wordings that were not seen to be commands of that tier, or that the policy would let run."""
        return [
            each
            for each in self.destructive
            if each.found["kind"] != "command" or each.found["tier"] != "destructive" or each.decision.act in ("run", "confirm")
        ]

    @property
    def called_on_chitchat(self) -> list[Judged]:
        """Chitchat for which a tool would run or be offered."""
        acts = ("run", "propose", "deny", "confirm")
        return [each for each in self.judged if each.row.expect.get("kind") == "chitchat" and each.decision.act in acts]

    def latency_ms(self, share: float) -> float:
        """A quantile of the wall time of one classification in milliseconds (nearest rank); NaN for an empty suite."""
        return _quantile([each.took_ms for each in self.judged], share)

    def processor_ms(self, share: float) -> float:
        """The same of the processor time."""
        return _quantile([each.cpu_ms for each in self.judged], share)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def read_rows(text: str) -> tuple[list[Row], dict[str, int]]:
    """The rows of a JSONL suite (blank lines are skipped), and how often `expect` holds keys that are not scored. Raises SuiteError."""
    rows: list[Row] = []
    unscored: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            row, other = _row(number, line)
            rows.append(row)
            for key in other:
                unscored[key] = unscored.get(key, 0) + 1
    if not rows:
        raise SuiteError("there are no rows in it; write one JSON object a line")
    return rows, unscored


def _row(number: int, line: str) -> tuple[Row, Sequence[str]]:
    def fault(what: str) -> SuiteError:
        return SuiteError(f"line {number}: {what}")

    try:
        row = json.loads(line)
    except ValueError as error:
        raise fault(f"is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise fault(f"is a {type(row).__name__}; a row is an object with text and expect")
    spoken, pending, expect = row.get("text"), row.get("pending"), row.get("expect")
    if not isinstance(spoken, str):
        raise fault(f"text is {spoken!r}; give the utterance as a string")
    if pending is not None and not isinstance(pending, str):
        raise fault(f"pending is {pending!r}; give the name of the tool that waits, or leave it out")
    if not isinstance(expect, dict):
        raise fault(f'expect is {expect!r}; give an object such as {{"kind": "chitchat"}}')
    wanted = {key: expect[key] for key in SCORED if key in expect}
    if not wanted:
        raise fault("expect holds none of kind, tool, tier")
    if "kind" in wanted and wanted["kind"] not in KINDS:
        raise fault(f"kind {wanted['kind']!r} is not one of {', '.join(KINDS)}")
    if wanted.get("tier") is not None and wanted["tier"] not in TIERS:
        raise fault(f"tier {wanted['tier']!r} is not one of {', '.join(TIERS)}")
    if not isinstance(wanted.get("tool"), str | None):
        raise fault(f"tool is {wanted['tool']!r}; give its name")
    return Row(number, spoken, pending or None, wanted), [key for key in expect if key not in SCORED]


async def score(rows: Sequence[Row], classifier: Classifier, registry: Registry, names: Sequence[str] = ()) -> Score:
    """Classifies every row once, in order. `names`: what the persona is called. All tools are allowed: what is measured is
    understanding, not permission."""
    judged = []
    for row in rows:
        began_s, began_cpu_s = time.perf_counter(), time.thread_time()
        intent = await classifier.classify(row.text, row.pending)
        took_ms, cpu_ms = (time.perf_counter() - began_s) * 1_000, (time.thread_time() - began_cpu_s) * 1_000
        decision = _decide(row, intent, registry, names)
        judged.append(Judged(row, _found(intent, registry), decision, took_ms, cpu_ms, intent.source))
    return Score(judged, {kind: _rate(kind, judged) for kind in KINDS})


def _found(intent: Intent, registry: Registry) -> dict[str, str | None]:
    known = {tool.name: tool for tool in registry}
    tool = known.get(intent.tool or "")
    tier = gate(tool, intent) if tool is not None else intent.tier
    return {"kind": intent.kind, "tool": intent.tool, "tier": tier}


def _decide(row: Row, intent: Intent, registry: Registry, names: Sequence[str]) -> Decision:
    known = {tool.name: tool for tool in registry}
    pending = None
    if row.pending is not None:
        tool = known.get(row.pending) or named_tool(row.pending)
        pending = Pending("pending", "before", tool, {}, 0, tool.tier)
    return decide(
        intent,
        row.text,
        known.get(intent.tool or ""),
        pending=pending,
        running=False,
        allowed=known.keys(),
        action_words=action_words(pending.tool).union(*map(name_words, names)) if pending else (),
    )


def _rate(kind: str, judged: Sequence[Judged]) -> Rate:
    labelled = [each for each in judged if "kind" in each.row.expect]
    of_kind = [each for each in labelled if each.row.expect["kind"] == kind]
    called = [each for each in labelled if each.found["kind"] == kind]
    hits = sum(each.found["kind"] == kind for each in of_kind)
    return Rate(len(of_kind), hits / len(called) if called else None, hits / len(of_kind) if of_kind else None)
