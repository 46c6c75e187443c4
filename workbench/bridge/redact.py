"""Secrets taken out of what others say: errors of providers, progress, results, and every line of the log."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable

HIDDEN = "[hidden]"
MIN_LENGTH = 4
"""A shorter value would be found everywhere, and is no secret."""

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_SCHEME = re.compile(r"\b(bearer|basic|token)\s+[A-Za-z0-9+/=._~\-]{6,}", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>[\"']?[A-Za-z0-9_\-]*(?:authorization|api[_\-]?key|access[_\-]?key|token|secret|passw(?:or)?d)[\"']?)"
    r"(?P<is>\s*[=:]\s*)(?P<quote>[\"']?)(?!\[hidden\]|(?:bearer|basic|token)\s+\[hidden\])[^\s\"'&,;}\]]{4,}",
    re.IGNORECASE,
)


class Redactor:
    """Takes out what looks like a secret, and every value that it was told is one. May be used from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """From now on these values are taken out. Of a header's `Bearer x` the `x` is one too."""
        parts = {part for secret in secrets for part in (secret.strip(), secret.strip().rpartition(" ")[2]) if len(part) >= MIN_LENGTH}
        with self._lock:
            # The longest first, so that no half of one is left behind by another that it contains.
            self._known = tuple(sorted({*self._known, *parts}, key=len, reverse=True))

    def known(self, text: str) -> str:
        """Without the values that were learnt; all else stays as it is."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return text

    def clean(self, text: str) -> str:
        """Without learnt values, user names and passwords in URLs, credentials of headers, and values of names such as `api_key`."""
        text = _USERINFO.sub(f"{HIDDEN}@", self.known(text))
        text = _SCHEME.sub(lambda found: f"{found[1]} {HIDDEN}", text)
        return _NAMED.sub(rf"\g<name>\g<is>\g<quote>{HIDDEN}", text)


SECRETS = Redactor()
"""What this process knows to be secret: whoever reads a credential from the environment tells it here."""


class RedactingFormatter(logging.Formatter):
    """Another formatter's lines, tracebacks included, without secrets."""

    def __init__(self, inner: logging.Formatter | None, redactor: Redactor = SECRETS) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.clean(self._inner.format(record))


def redact_log(root: logging.Logger | None = None, redactor: Redactor = SECRETS) -> None:
    """Has every handler of the log write without secrets. The libraries that talk to providers log addresses and errors as they are."""
    handlers = (root or logging.getLogger()).handlers
    # The last resort writes what nobody else does, as in a command that sets up no log.
    for handler in (*handlers, *([logging.lastResort] if logging.lastResort is not None else [])):
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter, redactor))
