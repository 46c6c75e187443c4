"""Spans on their way to the collector: a bounded queue, emptied by a thread of its own. Imported only where the SDK is installed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = logging.getLogger(__name__)
_SDK_LOG = logging.getLogger("opentelemetry.exporter")
_AWAY = "does not take spans; they are counted as failed in workbench_spans_total until it does. See OTEL_EXPORTER_OTLP_ENDPOINT"
_BACK = "takes spans again"
QUEUE_SPANS = 4_096
"""Some ten minutes of 16 talks, should the collector be away."""


class Counts:
    """What became of the spans so far; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.waiting = self.exported = self.failed = self.dropped = 0

    def take_in(self, limit: int) -> bool:
        """False when as many as `limit` wait already; the span is then counted as dropped."""
        with self._lock:
            if self.waiting >= limit:
                self.dropped += 1
                return False
            self.waiting += 1
            return True

    def sent(self, spans: int, well: bool) -> None:
        with self._lock:
            self.waiting -= spans
            if well:
                self.exported += spans
            else:
                self.failed += spans

    def read(self) -> dict[str, int]:
        """By fate: `exported`, `failed` (the collector would not have them), `dropped` (the queue was full)."""
        with self._lock:
            return {"exported": self.exported, "failed": self.failed, "dropped": self.dropped}


class _Counted(SpanExporter):
    """Counts, and tells once that the collector is away and once that it is back; the SDK would tell at every try."""

    def __init__(self, inner: SpanExporter, counts: Counts) -> None:
        self._inner, self._counts = inner, counts
        self._well = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        well = False
        try:
            result = self._inner.export(spans)
            well = result is SpanExportResult.SUCCESS
            return result
        finally:
            self._counts.sent(len(spans), well)
            if well != self._well:
                self._well = well
                _SDK_LOG.setLevel(logging.NOTSET if well else logging.CRITICAL)
                log.log(logging.INFO if well else logging.WARNING, "the collector of traces %s", _BACK if well else _AWAY)

    def shutdown(self) -> None:
        self._inner.shutdown()


class SpanQueue(BatchSpanProcessor):
    """Takes a span in a few microseconds or drops it, and counts which."""

    def __init__(self, exporter: SpanExporter, *, limit: int = QUEUE_SPANS) -> None:
        self.counts = Counts()
        self._limit = limit
        super().__init__(_Counted(exporter, self.counts), max_queue_size=limit, max_export_batch_size=min(512, limit))

    def on_end(self, span: ReadableSpan) -> None:
        sampled = span.context is not None and span.context.trace_flags.sampled
        if sampled and self.counts.take_in(self._limit):
            super().on_end(span)
