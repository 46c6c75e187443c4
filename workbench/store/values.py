"""Python values to what both databases take, and to JSON. A talk's words and a tool's result are untrusted: anything may be in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def to_json(value: Any) -> str:
    """`value` as JSON text that DuckDB and PostgreSQL both accept.

    NaN and infinities, which JSON has not, become null; a lone surrogate becomes `?`; what is no JSON value at all becomes its `str`.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(_plain(value), ensure_ascii=False)
    return _encodable(text)


def clean_text(text: str) -> str:
    """`text` for a TEXT column: PostgreSQL takes no NUL and neither takes lone surrogates; both become visible signs."""
    return _encodable(text.replace("\x00", "\N{REPLACEMENT CHARACTER}"))


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def from_database(value: Any, *, is_json: bool) -> Any:
    """JSON text to its value, and any aware datetime to UTC."""
    if is_json and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value
