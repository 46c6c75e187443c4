"""What Prometheus reads: live figures of this process, in base units (seconds, samples). Nothing here outlives the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from workbench.assembly import Workbench
from workbench.audio.frames import Pcm
from workbench.events import EngineChosen, Event, SessionOpened
from workbench.telemetry.labels import Bounded
from workbench.telemetry.talk_figures import TalkFigures
from workbench.telemetry.tracing import Tracing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TEXT_ENGINE = "text"
"""What conversations in text name in the place of an engine."""


class Telemetry:
    """The figures of one workbench. Every talk gets a `meter` before its first event."""

    def __init__(self, workbench: Workbench, tracing: Tracing | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Levels(workbench, tracing))
        registered = workbench.registry
        self._figures = TalkFigures(
            self._registry,
            engines=Bounded(lambda: (*workbench.roster.names, TEXT_ENGINE)),
            tools=Bounded(lambda: {tool.name for tool in registered}),
        )

    def meter(self) -> TalkMeter:
        """The observer of one talk."""
        return TalkMeter(self._figures)

    def engine_label(self, engine: str) -> str:
        """The name itself where the roster knows it."""
        return self._figures.engine(engine)

    def tool_label(self, tool: str) -> str:
        """The name itself where the registry knows it."""
        return self._figures.tool(tool)

    def count(self, name: str, told: str, label: str, counts: Mapping[str, int]) -> None:
        """From now on `counts`, which somebody keeps up, are read as a counter with one label."""
        self._registry.register(_Counts(name, told, label, counts))

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)


class TalkMeter:
    """An `Observer` of one talk."""

    def __init__(self, figures: TalkFigures) -> None:
        self._figures = figures
        self._kinds, self._measured = figures.kinds, figures.measured
        self._transport: str | None = None

    def on_event(self, event: Event) -> None:
        self._kinds[event.kind].inc()
        if measure := self._measured.get(type(event)):
            measure(event)
        match event:
            case SessionOpened():
                self._transport = event.transport
            case EngineChosen() if self._transport is not None:
                figures = self._figures
                figures.opened.labels(figures.engine(event.engine), figures.own(self._transport)).inc()
                self._transport = None
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is not measured here."""


class _Counts:
    """A Prometheus collector of one counter that somebody else keeps."""

    def __init__(self, name: str, told: str, label: str, counts: Mapping[str, int]) -> None:
        self._name, self._told, self._label, self._counts = name, told, label, counts

    def collect(self) -> Iterator[Metric]:
        counter = CounterMetricFamily(self._name, self._told, labels=[self._label])
        for value, count in dict(self._counts).items():
            counter.add_metric([value], count)
        yield counter


class _Levels:
    """A Prometheus collector: figures that are read when they are asked for."""

    def __init__(self, workbench: Workbench, tracing: Tracing | None) -> None:
        self._workbench = workbench
        self._tracing = tracing

    def collect(self) -> Iterator[Metric]:
        bench = self._workbench
        yield GaugeMetricFamily("workbench_sessions_live", "Talks going on.", value=len(bench.sessions.live))
        yield GaugeMetricFamily("workbench_store_waiting_rows", "Rows not committed yet: the store's lag.", value=bench.store.waiting_rows)
        yield GaugeMetricFamily("workbench_store_failing", "1 while the store cannot write.", value=float(bench.store.failure is not None))
        yield CounterMetricFamily("workbench_store_lost_rows", "Rows given up.", value=bench.store.lost_rows)
        yield GaugeMetricFamily("workbench_asr_sessions", "Recogniser sessions open now.", value=bench.recogniser.sessions)
        yield CounterMetricFamily("workbench_asr_restarts", "Recogniser workers started again.", value=bench.recogniser.restarts)
        spans = CounterMetricFamily("workbench_spans", "Spans of traces, by what became of them.", labels=["fate"])
        for fate, count in (self._tracing.counts() if self._tracing is not None else {}).items():
            spans.add_metric([fate], count)
        yield spans
