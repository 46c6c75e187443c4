"""W3C trace context (`traceparent`, `tracestate`) in headers: taken from whoever asks us, sent on to whom we ask for it.

Baggage is neither read nor sent: what a stranger writes into it would come to every backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()
MAX_CHARS = 512
"""Of a header that is read; the standard asks for no more."""


def send_trace(headers: MutableMapping[str, str]) -> None:
    """Adds the headers of the span that goes on; adds nothing where none does."""
    _W3C.inject(headers)


@contextmanager
def under_trace(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """What is begun within belongs to the caller's trace, where these headers (as ASGI gives them) name one. What is none is ignored."""
    named = {}
    for name, value in headers:
        if name.lower() in (b"traceparent", b"tracestate") and len(value) <= MAX_CHARS:
            named[name.decode("ascii").lower()] = value.decode("latin-1")
    if "traceparent" not in named:
        yield
        return
    token = context.attach(_W3C.extract(named, context.Context()))
    try:
        yield
    finally:
        context.detach(token)
