"""Expected values beside computed ones: every difference by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Any

EXACT = 1e-9
"""Room for the last digits of a float, absolute and relative: injected inputs must agree to the digits stored."""
ERROR = "error"
"""An expected value under this key says that the reference fails; any error of ours agrees with it, whatever its words."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be off, by the name of the nearest key above it in the document; `default` for all others."""

    default: float = EXACT
    by_key: Mapping[str, float] = field(default_factory=dict)

    def of(self, key: str) -> float:
        return self.by_key.get(key, self.default)


TO_THE_DIGIT = Tolerance()


@dataclass(frozen=True, slots=True)
class Failed:
    """A computation that ended in an error."""

    reason: str


def differences(expected: Any, computed: Any, tolerance: Tolerance, path: str = "", key: str = "") -> Iterator[str]:
    """What of the expected values is not there in the computed ones. Computed values that nobody expected are no difference."""
    where = path or "value"
    if isinstance(computed, Failed):
        if not (isinstance(expected, Mapping) and ERROR in expected):
            yield f"{where}: expected {_short(expected)}, but the computation failed: {computed.reason}"
    elif isinstance(expected, Mapping) and ERROR in expected:
        if not (isinstance(computed, Mapping) and ERROR in computed):
            yield f"{where}: expected the error {expected[ERROR]!r}, computed {_short(computed)}"
    elif isinstance(expected, Mapping):
        if not isinstance(computed, Mapping):
            yield f"{where}: expected {_short(expected)}, computed {_short(computed)}"
            return
        for name, value in expected.items():
            if name in computed:
                yield from differences(value, computed[name], tolerance, f"{path}.{name}" if path else name, name)
            else:
                yield f"{where}: nothing computes {name!r} (expected {_short(value)})"
    elif isinstance(expected, list):
        if not isinstance(computed, (list, tuple)) or len(computed) != len(expected):
            yield f"{where}: expected {_short(expected)}, computed {_short(computed)}"
            return
        for index, (one, other) in enumerate(zip(expected, computed, strict=True)):
            yield from differences(one, other, tolerance, f"{path}[{index}]", key)
    elif not _same(expected, computed, tolerance.of(key)):
        yield f"{where}: expected {_short(expected)}, computed {_short(computed)}"


def _same(expected: Any, computed: Any, tolerance: float) -> bool:
    if _is_number(expected) and _is_number(computed):
        return isclose(expected, computed, rel_tol=EXACT, abs_tol=tolerance)
    return type(expected) is type(computed) and bool(expected == computed)


def _is_number(value: Any) -> bool:
    """Booleans count: 1 and true are the same answer in files of several makers."""
    return isinstance(value, (int, float))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
