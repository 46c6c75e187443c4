"""Full-Duplex-Bench v3, tools: selection, arguments and Pass@1, by exact match (no judge)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = "$"
"""An expected argument that begins with this stands for a value out of an earlier result; any value matches, but there must be one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    function: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolScore:
    """One scenario. `wrong_arguments` names expected calls, in order, whose partner has an argument wrong."""

    expected: int
    actual: int
    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_arguments: tuple[str, ...]

    @property
    def recall(self) -> float:
        return self.matched / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        return self.matched / self.actual if self.actual else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def argument_accuracy(self) -> float:
        """Share of expected calls that were made with every argument right; 1 where none was expected."""
        return (self.matched - len(self.wrong_arguments)) / self.expected if self.expected else 1.0

    @property
    def passed(self) -> bool:
        """Pass@1: every expected call, none besides, every argument right."""
        return not (self.missing or self.unexpected or self.wrong_arguments)

    @property
    def failure(self) -> str:
        """Why it did not pass, "" when it did. Wrong arguments are named only where the right tools were called."""
        selection = [("Missing", self.missing), ("Unexpected", self.unexpected)]
        if any(names for _, names in selection):
            return "; ".join(f"{what} tools: {list(names)}" for what, names in selection if names)
        return f"Wrong arguments for: {list(self.wrong_arguments)}" if self.wrong_arguments else ""


def score(expected: Sequence[Call], actual: Sequence[Call]) -> ToolScore:
    """Calls are compared as a multiset of names; the partner of an expected call is the first free actual one of its name."""
    free = list(actual)
    missing: list[str] = []
    wrong: list[str] = []
    for call in expected:
        partner = next((other for other in free if other.function == call.function), None)
        if partner is None:
            missing.append(call.function)
            continue
        free.remove(partner)
        if not arguments_match(call.args, partner.args):
            wrong.append(call.function)
    return ToolScore(
        expected=len(expected),
        actual=len(actual),
        matched=len(expected) - len(missing),
        missing=tuple(missing),
        unexpected=tuple(call.function for call in free),
        wrong_arguments=tuple(wrong),
    )


def arguments_match(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """Whether every expected argument is there with the same value. Texts are compared without regard to case, outer space, and `_` for a
    space; 40 and 40.0 are the same, 40 and "40" are not."""
    return all(name in actual and _same(value, actual[name]) for name, value in expected.items())


def _same(expected: Any, actual: Any) -> bool:
    if not isinstance(expected, str):
        return bool(expected == actual)
    return expected.startswith(PLACEHOLDER) or (isinstance(actual, str) and _plain(actual) == _plain(expected))


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").strip()
