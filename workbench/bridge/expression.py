"""Sums as they are spoken or written, read into a tree and worked out exactly. No `eval`: only what is listed here can happen.

sum     = product (("plus" | "minus") product)*
product = power (("times" | "divided by" | "percent of" | "of") power)*
power   = unary (("to the power of" unary) | "squared" | "cubed")?
unary   = "minus" unary | "square root of" unary | "half of" unary | number | "(" sum ")"
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from workbench.bridge.numbers import read_number, say_number
from workbench.bridge.words import phrase_list

MAX_WORDS = 30
MAX_SIZE = 10**15
"""No number beyond this, not even on the way: "nine to the power of nine to the power of nine" would never end."""
_MAX_EXPONENT = 64
_MAX_DEPTH = 12


class ArithmeticProblem(Exception):
    """The sum has no answer that can be told. The message is one short spoken sentence."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Sum:
    """A sign (`+ - * / ^ %` or `sqrt`) over one or two parts; `%` is "percent of"."""

    sign: str
    left: Expression
    right: Expression | None = None


Expression = Number | Sum


@dataclass(frozen=True, slots=True)
class Answer:
    """A worked-out sum."""

    value: Fraction
    exact: bool
    """False for an irrational root."""


_SIGNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "+": phrase_list("plus", "+", "added to"),
    "-": phrase_list("minus", "-", "less", "take away"),
    "*": phrase_list("multiplied by", "times", "time", "*", "x"),
    "/": phrase_list("divided by", "divided", "over", "/"),
    "%": phrase_list("percent of", "% of"),
    "^": phrase_list("raised to the power of", "to the power of", "to the power", "^"),
    "sqrt": phrase_list("square root of", "the square root of", "square root", "root of", "sqrt"),
}
_FRACTIONS = {"half": 2, "third": 3, "quarter": 4}
_SUFFIXES = {"squared": 2, "cubed": 3}
_SOUNDS_LIKE = {"to": 2, "too": 2, "for": 4, "fore": 4, "ate": 8, "won": 1, "tree": 3, "tin": 10}
"""Words that recognisers write for numbers; taken only where a number must stand."""


def parse(words: Sequence[str]) -> Sum | None:
    """The sum that all of `words` make, None when they make none. A lone number is no sum."""
    if not 1 < len(words) <= MAX_WORDS:
        return None
    reader = _Reader(words)
    tree = reader.sum(0)
    if not isinstance(tree, Sum) or reader.at != len(words) or not reader.numbers:
        return None
    return tree


def work_out(tree: Expression) -> Answer:
    """Raises ArithmeticProblem where there is no answer."""
    if isinstance(tree, Number):
        return Answer(tree.value, exact=True)
    left = work_out(tree.left)
    right = work_out(tree.right) if tree.right is not None else left
    exact = left.exact and right.exact
    if tree.sign == "sqrt":
        root = _root(left.value)
        return Answer(root, exact and root * root == left.value)
    value = _OPERATIONS[tree.sign](left.value, right.value)
    if abs(value) >= MAX_SIZE:
        raise ArithmeticProblem("That number is too big for me.")
    return Answer(value, exact)


def written(tree: Expression) -> str:
    """The sum in signs, in brackets where it is nested, so that it reads back as the same tree: "(3 + 4) * 2"."""
    if isinstance(tree, Number):
        return format(Decimal(tree.value.numerator) / Decimal(tree.value.denominator), "f")
    left = _bracketed(tree.left)
    if tree.right is None:
        return f"{tree.sign} {left}"
    return f"{left} {'% of' if tree.sign == '%' else tree.sign} {_bracketed(tree.right)}"


def spoken(tree: Sum) -> str | None:
    """The sum in words: "twelve times seven"; None for a nested one, whose brackets cannot be said."""
    if not isinstance(tree.left, Number) or isinstance(tree.right, Sum):
        return None
    if tree.right is None:
        return f"{_SPOKEN[tree.sign]} {say_number(tree.left.value)}"
    return f"{say_number(tree.left.value)} {_SPOKEN[tree.sign]} {say_number(tree.right.value)}"


def _bracketed(tree: Expression) -> str:
    return f"({written(tree)})" if isinstance(tree, Sum) or tree.value < 0 else written(tree)


def _divide(left: Fraction, right: Fraction) -> Fraction:
    if right == 0:
        raise ArithmeticProblem("I cannot divide by zero.")
    return left / right


def _raise(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > _MAX_EXPONENT:
        raise ArithmeticProblem(f"I can only raise to whole powers up to {say_number(_MAX_EXPONENT)}.")
    if base == 0 and exponent < 0:
        raise ArithmeticProblem("I cannot divide by zero.")
    return Fraction(base ** int(exponent))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise ArithmeticProblem("A negative number has no real square root.")
    exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return exact if exact * exact == value else Fraction(math.sqrt(value))


_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "%": lambda left, right: left * right / 100,
    "^": _raise,
}
_SPOKEN = {
    "+": "plus", "-": "minus", "*": "times", "/": "divided by", "%": "percent of", "^": "to the power of", "sqrt": "the square root of",
}  # fmt: skip


class _Reader:
    """Recursive descent over words. A method gives None when its part is not there; the caller then gives up."""

    def __init__(self, words: Sequence[str]) -> None:
        self.at = 0
        self.numbers = 0
        """Numbers that were really said; a sum of nothing but sound-alikes is none."""
        self._words = words

    def sum(self, depth: int) -> Expression | None:
        return self._chain(("+", "-"), self._product, depth)

    def _product(self, depth: int) -> Expression | None:
        return self._chain(("%", "*", "/"), self._power, depth)

    def _chain(self, signs: Sequence[str], part: Callable[[int], Expression | None], depth: int) -> Expression | None:
        tree = part(depth)
        while tree is not None and (sign := self._sign(signs)) is not None:
            right = part(depth)
            tree = None if right is None else Sum(sign, tree, right)
        return tree

    def _power(self, depth: int) -> Expression | None:
        tree = self._unary(depth)
        if tree is None:
            return None
        if self._peek() in _SUFFIXES:
            self.at += 1
            return Sum("^", tree, Number(Fraction(_SUFFIXES[self._words[self.at - 1]])))
        if self._sign(("^",)) is None:
            return tree
        exponent = self._unary(depth)
        return None if exponent is None else Sum("^", tree, exponent)

    def _unary(self, depth: int) -> Expression | None:
        if depth > _MAX_DEPTH:
            return None
        if self._sign(("sqrt",)) is not None:
            inner = self._unary(depth + 1)
            return None if inner is None else Sum("sqrt", inner)
        if self._peek() == "(":
            return self._bracket(depth)
        part = self._fraction_of(depth)
        return part if part is not None else self._number()

    def _bracket(self, depth: int) -> Expression | None:
        self.at += 1
        inner = self.sum(depth + 1)
        if inner is None or self._peek() != ")":
            return None
        self.at += 1
        return inner

    def _fraction_of(self, depth: int) -> Expression | None:
        ahead = self.at + (self._peek() in ("a", "one"))
        if ahead + 1 >= len(self._words) or self._words[ahead] not in _FRACTIONS or self._words[ahead + 1] != "of":
            return None
        self.at = ahead + 2
        whole = self._unary(depth + 1)
        return None if whole is None else Sum("/", whole, Number(Fraction(_FRACTIONS[self._words[ahead]])))

    def _number(self) -> Expression | None:
        read = read_number(self._words, self.at)
        if read is None:
            like = _SOUNDS_LIKE.get(self._peek())
            if like is None:
                return None
            self.at += 1
            return Number(Fraction(like))
        value, self.at = read
        self.numbers += 1
        return Number(value)

    def _sign(self, signs: Sequence[str]) -> str | None:
        for sign in signs:
            for phrase in _SIGNS[sign]:
                if tuple(self._words[self.at : self.at + len(phrase)]) == phrase:
                    self.at += len(phrase)
                    return sign
        return None

    def _peek(self) -> str:
        return self._words[self.at] if self.at < len(self._words) else ""
