"""Which tools a user may have used, beside what the persona may use: a small table from user names to patterns of tool names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

EVERYONE = "*"
"""The entry for users that have none of their own, those without a name among them."""


@dataclass(frozen=True, slots=True)
class Access:
    """Patterns of tool names (`*` any letters, `?` one letter, `[...]` one of them). What is denied is denied, whatever is allowed.

    Raises ValueError for an empty pattern, and for a single text where a list of patterns belongs.
    """

    allowed: tuple[str, ...] = ("*",)
    denied: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given: tuple[tuple[str, object], ...] = (("allowed", self.allowed), ("denied", self.denied))
        for name, patterns in given:
            if not isinstance(patterns, tuple | list) or not all(isinstance(pattern, str) and pattern.strip() for pattern in patterns):
                raise ValueError(f'{name} is {patterns!r}; give a list of patterns of tool names, such as ["weather", "n8n_*"]')

    def refusal(self, tool_name: str) -> str | None:
        """Why a tool may not be used; None when it may."""
        for pattern in self.denied:
            if fnmatchcase(tool_name, pattern):
                return f"{tool_name} is denied by {pattern!r}"
        if any(fnmatchcase(tool_name, pattern) for pattern in self.allowed):
            return None
        return f"{tool_name} is not among the allowed {', '.join(map(repr, self.allowed)) or '(none)'}"


AccessTable = Mapping[str, Access]
"""User name to what they may use; `EVERYONE` stands for all others."""


def access_of(table: AccessTable, user: str) -> Access:
    """The rule for `user` (empty: nobody logged in): their own, else everyone's, else all tools. Case does not tell users apart."""
    by_name = {name.casefold(): access for name, access in table.items()}
    return by_name.get(user.casefold()) or by_name.get(EVERYONE) or Access()
