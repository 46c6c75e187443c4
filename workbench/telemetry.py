"""What Prometheus reads: live figures of this process, in base units (seconds, samples). Nothing here outlives the process."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from workbench.assembly import Workbench
from workbench.audio.frames import Pcm
from workbench.events import AudioLost, EngineLost, Event, FrameTiming, SessionClosed, ToolCancelled, ToolFailed, ToolFinished, ToolRefused
from workbench.sessions import LiveTalk

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENESS_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 1.0)
_TOOL_ENDS: dict[type[Event], str] = {ToolFinished: "success", ToolFailed: "error", ToolCancelled: "cancelled", ToolRefused: "refused"}


class Telemetry:
    """The figures of one workbench. `follow` every talk that is opened."""

    def __init__(self, workbench: Workbench) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Levels(workbench))
        self.opened = Counter("workbench_sessions", "Talks opened.", ["engine", "transport"], registry=self._registry)
        self.ended = Counter("workbench_sessions_ended", "Talks ended, by reason.", ["reason"], registry=self._registry)
        self.engines_lost = Counter("workbench_engines_lost", "Engines that failed in mid-talk.", ["engine"], registry=self._registry)
        self.lateness = Histogram(
            "workbench_frame_lateness_seconds",
            "How long after its due time an 80 ms frame left.",
            buckets=LATENESS_BUCKETS_S,
            registry=self._registry,
        )
        self.step = Histogram(
            "workbench_frame_engine_seconds", "The engine's own work on a frame.", buckets=LATENESS_BUCKETS_S, registry=self._registry
        )
        self.lost = Counter(
            "workbench_audio_lost_samples", "User samples at 24 kHz that never came and became silence.", registry=self._registry
        )
        self.tools = Counter("workbench_tool_calls", "Tool calls that ended, by status.", ["tool", "status"], registry=self._registry)

    def follow(self, talk: LiveTalk) -> None:
        """Counts a talk that was just opened, and what happens in it."""
        self.opened.labels(talk.conversation.engine, talk.request.transport).inc()
        talk.conversation.observe(TalkMeter(self))

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)


class TalkMeter:
    """An `Observer` of one talk."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._to = telemetry

    def on_event(self, event: Event) -> None:
        match event:
            case FrameTiming():
                self._to.lateness.observe(event.late_ms / 1_000)
                self._to.step.observe(event.engine_ms / 1_000)
            case AudioLost():
                self._to.lost.inc(event.samples)
            case ToolFinished() | ToolFailed() | ToolCancelled() | ToolRefused():
                self._to.tools.labels(event.tool, _TOOL_ENDS[type(event)]).inc()
            case EngineLost():
                self._to.engines_lost.labels(event.engine).inc()
            case SessionClosed():
                self._to.ended.labels(event.reason).inc()
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is not measured here."""


class _Levels:
    """A Prometheus collector: figures that are read when they are asked for."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench

    def collect(self) -> Iterator[Metric]:
        bench = self._workbench
        yield GaugeMetricFamily("workbench_sessions_live", "Talks going on.", value=len(bench.sessions.live))
        yield GaugeMetricFamily("workbench_store_waiting_rows", "Rows not committed yet: the store's lag.", value=bench.store.waiting_rows)
        yield GaugeMetricFamily("workbench_store_failing", "1 while the store cannot write.", value=float(bench.store.failure is not None))
        yield CounterMetricFamily("workbench_store_lost_rows", "Rows given up.", value=bench.store.lost_rows)
        yield GaugeMetricFamily("workbench_asr_sessions", "Recogniser sessions open now.", value=bench.recogniser.sessions)
        yield CounterMetricFamily("workbench_asr_restarts", "Recogniser workers started again.", value=bench.recogniser.restarts)
