"""The log of a process: text or one JSON object a line on stderr, without secrets, and without words of talks unless they are wanted."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from workbench.bridge.redact import HIDDEN, SECRETS, RedactingFormatter, Redactor
from workbench.log_context import talk_mark

LogFormat = Literal["text", "json"]
OURS = ("workbench", "evaluation", "benchmarks")
"""Loggers that follow the level that was asked for. Libraries tell at `debug` what they send and receive."""
QUIET = ("httpx", "httpx2", "mcp", "client")
"""Libraries that tell an address or a name for every request (`client` is MCP's): warnings only."""
TELLING: tuple[type[BaseException], ...] = (OSError, MemoryError, ImportError)
"""Errors whose message is about the machine. That of any other, if nobody foresaw it, may hold what somebody said."""
NOT_LOGGED = "(its message is not logged: it may hold words of a talk; WORKBENCH_LOG_TRANSCRIPTS=true shows it)"

_QUERY = re.compile(r"((?:[a-z]+://|/)[^\s\"'<>?]*)\?[^\s\"'<>]+")


def start_log(
    level: str,
    style: LogFormat,
    *,
    transcripts: bool = False,
    telling: tuple[type[BaseException], ...] = TELLING,
    redactor: Redactor = SECRETS,
) -> None:
    """Sets the log of this process up: one handler, on stderr. `telling`: errors whose message is logged when they were not foreseen."""
    lines = (JsonLines if style == "json" else TextLines)(redactor, transcripts=transcripts, telling=telling)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(wanted, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(wanted)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(wanted, logging.WARNING))
    logging.captureWarnings(True)
    if style == "json":
        sys.excepthook = _log_uncaught


def writes_json() -> bool:
    """Whether the log of this process is for programs."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("workbench").critical("the process ends with an error that nobody foresaw", exc_info=(kind, error, trace))


class _Lines(RedactingFormatter):
    """What both styles have in common: what of a record may be written."""

    def __init__(self, redactor: Redactor, *, transcripts: bool, telling: tuple[type[BaseException], ...]) -> None:
        super().__init__(None, redactor)
        self._transcripts = transcripts
        self._telling = telling

    def clean(self, text: str) -> str:
        """Without secrets, and without the query of any address: prompts and tokens are in those."""
        return self._redactor.clean(_QUERY.sub(rf"\1?{HIDDEN}", text))

    def message(self, record: logging.LogRecord) -> str:
        told = record.getMessage()
        if record.name == "asyncio" and not self._transcripts:
            # It goes on with the arguments of a callback, or with an error in full.
            told = re.split(r"[\n(]", told, maxsplit=1)[0]
        return self.clean(told)

    def error(self, record: logging.LogRecord) -> str:
        """The traceback, empty where there is none."""
        if not record.exc_info or record.exc_info[1] is None:
            return ""
        error = record.exc_info[1]
        told = "".join(traceback.format_exception(error)) if self._transcripts else "\n".join(self._without_messages(error, set()))
        return self.clean(told.rstrip())

    def _without_messages(self, error: BaseException, seen: set[int]) -> Iterator[str]:
        seen.add(id(error))
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if before is not None and id(before) not in seen:
            yield from self._without_messages(before, seen)
            yield "which led to:"
        yield "Traceback (most recent call last):\n" + "".join(traceback.format_tb(error.__traceback__)).rstrip()
        told = str(error) if isinstance(error, self._telling) else NOT_LOGGED
        yield f"{type(error).__module__}.{type(error).__qualname__}: {told}"
        for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            if id(part) not in seen:
                yield "of which one is:"
                yield from self._without_messages(part, seen)


class TextLines(_Lines):
    """For people: `time level logger [session]: message`."""

    def format(self, record: logging.LogRecord) -> str:
        mark = talk_mark()
        where = f" [{mark.session_id}]" if mark is not None else ""
        moment = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(record.created))},{int(record.msecs):03d}"
        line = f"{moment} {record.levelname} {record.name}{where}: {self.message(record)}"
        error = self.error(record)
        return f"{line}\n{error}" if error else line


class JsonLines(_Lines):
    """For programs: `timestamp` (UTC, ISO 8601), `level`, `logger`, `message`; where there are any `session_id`, `trace_id`, `error`."""

    def __init__(self, redactor: Redactor, *, transcripts: bool, telling: tuple[type[BaseException], ...]) -> None:
        super().__init__(redactor, transcripts=transcripts, telling=telling)
        self._json = JsonFormatter()

    def format(self, record: logging.LogRecord) -> str:
        # Only these fields: what libraries hang on their records is theirs.
        fields: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
        }
        mark = talk_mark()
        if mark is not None:
            fields["session_id"] = mark.session_id
            if mark.trace_id:
                fields["trace_id"] = mark.trace_id
        if error := self.error(record):
            fields["error"] = error
        return self._json.serialize_log_record(fields)
