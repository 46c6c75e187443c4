"""The trace of one visit, from being let in or into the queue to the end, with the taking in of the prompt. Figures only, no words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Tracer, set_span_in_context

from workbench.audio.frames import Pcm
from workbench.gateway.seat import Listener, Reason


class VisitSpans:
    """A `Listener` that passes everything on to another, and keeps the span `visit` within the trace of whoever came."""

    def __init__(self, inner: Listener, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer
        self._span = tracer.start_span("visit")
        self._within = set_span_in_context(self._span)
        self._frames = 0

    def waiting(self, position: int) -> None:
        self._span.add_event("queue", {"position": position})
        self._inner.waiting(position)

    def ready(self, info: dict[str, Any]) -> None:
        now_ns = time.time_ns()
        began_ns = now_ns - round(info["ready_ms"] * 1e6)
        told = {"prompt_frames": info["prompt_frames"]}
        self._tracer.start_span("prefill", self._within, attributes=told, start_time=began_ns).end(now_ns)
        self._inner.ready(info)

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None:
        self._frames += 1
        self._inner.frame(pcm, piece, forced)

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        self._span.add_event(kind, _figures(data))
        self._inner.notice(kind, data)

    def ended(self, reason: Reason, message: str) -> None:
        self._span.set_attributes({"frames": self._frames, "reason": reason})
        self._span.end()
        self._inner.ended(reason, message)


def _figures(data: Mapping[str, Any]) -> dict[str, int | float | bool]:
    return {name: value for name, value in data.items() if isinstance(value, int | float)}
