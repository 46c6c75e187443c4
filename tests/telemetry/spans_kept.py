"""Spans that a test looks at afterwards."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from workbench.telemetry.tracing import Tracing


class KeptSpans:
    """An exporter that keeps everything, and the tracer before it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def tracer(self) -> Tracer:
        return self._provider.get_tracer("test")

    @property
    def tracing(self) -> Tracing:
        """As `create_app` takes it."""
        return Tracing(self.tracer, lambda: {"exported": len(self.all)}, self._provider.shutdown)

    @property
    def all(self) -> list[ReadableSpan]:
        """Every span that has ended."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """In order of their beginning."""
        return sorted((span for span in self.all if span.name == name), key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """In order of their beginning, then of their end."""
        assert parent.context is not None
        found = [span for span in self.all if span.parent is not None and span.parent.span_id == parent.context.span_id]
        return sorted(found, key=lambda span: (span.start_time or 0, span.end_time or 0))


def told(span: ReadableSpan) -> dict[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})


def notes(span: ReadableSpan) -> list[str]:
    """The names of its events."""
    return [event.name for event in span.events]


def everything(spans: list[ReadableSpan]) -> str:
    """All that is exported of them, as one text."""
    return "\n".join(span.to_json(indent=None) for span in spans)
