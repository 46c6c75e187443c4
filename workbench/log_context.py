"""Which talk the running task belongs to, for the lines of the log: tasks take it over from the task that starts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TalkMark:
    """What a line of the log names."""

    session_id: str
    trace_id: str = ""
    """32 hexadecimal digits; empty where nothing is traced."""


_MARK: ContextVar[TalkMark | None] = ContextVar("talk_mark", default=None)


def talk_mark() -> TalkMark | None:
    """None outside of a talk."""
    return _MARK.get()


@contextmanager
def in_talk(session_id: str, trace_id: str = "") -> Iterator[None]:
    """What is logged within, also by tasks that are started within, belongs to this talk."""
    before = _MARK.set(TalkMark(session_id, trace_id))
    try:
        yield
    finally:
        _MARK.reset(before)
