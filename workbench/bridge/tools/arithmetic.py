"""Arithmetic, spoken or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from workbench.bridge.expression import MAX_WORDS, ArithmeticProblem, parse, spoken, work_out, written
from workbench.bridge.numbers import say_number
from workbench.bridge.tool import Slot, SlotValue, Tool, ToolResult
from workbench.bridge.words import tokens


def read_expression(words: Sequence[str]) -> SlotValue | None:
    """A sum in signs, when the words are one."""
    return _read(tuple(words))


@lru_cache(maxsize=4_096)
def _read(words: tuple[str, ...]) -> SlotValue | None:
    # Every template with this slot asks about the same words.
    tree = parse(words)
    return None if tree is None else SlotValue(written(tree))


def _examples() -> tuple[str, ...]:
    """Sums a person asks for aloud, fewer than 1,500."""
    sums = [f"{say_number(a)} plus {say_number(b)}" for a in range(1, 100) for b in range(1, 10)]
    sums += [f"{say_number(a)} times {say_number(b)}" for a in range(1, 13) for b in range(1, 13)]
    sums += [f"{say_number(a)} minus {say_number(b)}" for a in range(1, 21) for b in range(1, a + 1)]
    sums += [f"{say_number(a * b)} divided by {say_number(b)}" for a in range(2, 11) for b in range(2, 11)]
    sums += [f"{say_number(a)} percent of {say_number(b)}" for a in (5, 10, 15, 20, 25, 50) for b in (20, 40, 50, 60, 80, 100, 200)]
    sums += [f"the square root of {say_number(a * a)}" for a in range(1, 13)]
    return tuple(sums)


TOOL = Tool(
    name="arithmetic",
    description="Work out a sum",
    parameters={
        "type": "object",
        "properties": {
            "expression": {"type": "string", "description": 'such as "12 * 7" or "15 % of 80"', "minLength": 1, "maxLength": 200}
        },
        "required": ["expression"],
    },
    timeout_s=2.0,
    phrases=("what is {expression}",),
    wordings=(
        "{expression}",
        "{expression} =",
        "{expression} equals",
        "what does {expression} equal",
        "what does {expression} make",
        "how much is {expression}",
        "how much does {expression} make",
        "calculate {expression}",
        "compute {expression}",
        "work out {expression}",
        "what would {expression} be",
        "what is the result of {expression}",
    ),
    slots={"expression": Slot(read_expression, _examples(), max_words=MAX_WORDS)},
)


def answer(arguments: Mapping[str, Any]) -> ToolResult:
    """The function of the tool."""
    tree = parse(tokens(arguments["expression"]))
    if tree is None:
        return ToolResult("I cannot read that as a sum.", {"expression": arguments["expression"], "value": None})
    try:
        found = work_out(tree)
        said = say_number(found.value)
        question = spoken(tree)
    except (ArithmeticProblem, OverflowError) as problem:
        plain = str(problem) if isinstance(problem, ArithmeticProblem) else "That number is too big for me."
        return ToolResult(plain, {"expression": written(tree), "value": None, "problem": plain})
    exact = found.exact and round(found.value, 4) == found.value
    value = int(found.value) if found.value.denominator == 1 else float(found.value)
    text = f"{question or 'That'} is {'' if exact else 'about '}{said}."
    return ToolResult(text[:1].upper() + text[1:], {"expression": written(tree), "value": value, "exact": exact})
