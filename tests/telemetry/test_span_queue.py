"""Spans on their way out: bounded, counted, and never waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from workbench.telemetry import tracing
from workbench.telemetry.span_queue import SpanQueue
from workbench.telemetry.tracing import Tracing


class Stuck(SpanExporter):
    """A collector that takes nothing until it may."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.may = threading.Event()
        self.asked = threading.Event()
        self.result = result

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        assert self.may.wait(60)
        return self.result


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    made = Stuck()
    yield made
    made.may.set()


def made_of(exporter: SpanExporter, limit: int) -> tuple[TracerProvider, SpanQueue]:
    queue = SpanQueue(exporter, limit=limit)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    return provider, queue


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits(stuck: Stuck) -> None:
    provider, queue = made_of(stuck, 8)
    tracer = provider.get_tracer("test")
    for _number in range(8):
        tracer.start_span("x").end()
    assert stuck.asked.wait(60), "the whole batch is with the exporter, which does not answer"
    for _number in range(5):
        tracer.start_span("x").end()
    assert queue.counts.read() == {"exported": 0, "failed": 0, "dropped": 5}
    stuck.may.set()
    provider.shutdown()
    assert queue.counts.read() == {"exported": 8, "failed": 0, "dropped": 5}
    assert queue.counts.waiting == 0


def test_what_the_collector_would_not_have_is_counted_as_failed(stuck: Stuck) -> None:
    stuck.result = SpanExportResult.FAILURE
    stuck.may.set()
    provider, queue = made_of(stuck, 8)
    provider.get_tracer("test").start_span("x").end()
    provider.shutdown()
    assert queue.counts.read() == {"exported": 0, "failed": 1, "dropped": 0}
    logging.getLogger("opentelemetry.exporter").setLevel(logging.NOTSET)


def test_a_collector_that_goes_away_and_comes_back_is_told_once_each(stuck: Stuck, caplog: pytest.LogCaptureFixture) -> None:
    stuck.may.set()
    provider, queue = made_of(stuck, 8)
    results = [SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS] * 2
    with caplog.at_level(logging.INFO):
        for stuck.result in results:
            provider.get_tracer("test").start_span("x").end()
            queue.force_flush()
    provider.shutdown()
    told = [record.getMessage() for record in caplog.records if record.name.startswith("workbench")]
    assert [line.partition(";")[0] for line in told] == [
        "the collector of traces does not take spans",
        "the collector of traces takes spans again",
    ]
    assert queue.counts.read() == {"exported": 2, "failed": 3, "dropped": 0}


def test_the_end_of_a_process_waits_only_so_long(stuck: Stuck, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tracing, "FLUSH_S", 0.05)
    provider, queue = made_of(stuck, 8)
    provider.get_tracer("test").start_span("x").end()
    made = Tracing(provider.get_tracer("test"), queue.counts.read, provider.shutdown)
    with caplog.at_level(logging.WARNING):
        made.close()
    assert "did not take the last spans within 0.05 s" in caplog.text
