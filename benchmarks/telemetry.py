"""What it costs a talk that its events are counted and traced.

    uv run --extra telemetry python -m benchmarks.telemetry [--talks 40]

The events of one talk with a tool, made once in virtual time, are shown again and again to those who watch. One value is the time that
all of them take for one event, on the talk's own thread: that of every frame, and that of any other. Spans go through the real queue to
an exporter that throws them away, whose thread runs beside. Without an endpoint there is no tracing observer at all.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from benchmarks.table import machine, percentile, table
from workbench import events
from workbench.audio.frames import FRAME_MS
from workbench.bridge.bridge import Bridge
from workbench.bridge.registry import Registry
from workbench.bridge.tools import register_builtin
from workbench.events import Event
from workbench.talk import Observer
from workbench.telemetry.labels import Bounded
from workbench.telemetry.metrics import TalkMeter
from workbench.telemetry.span_queue import SpanQueue
from workbench.telemetry.talk_figures import TalkFigures
from workbench.telemetry.talk_log import TalkLog
from workbench.telemetry.talk_spans import TalkSpans
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import pause, run_talk, spoken

Watchers = Callable[[], Sequence[Observer]]
SAID = ("what is twelve times seven", "tell me a story", "what is two plus two")


class Nowhere(SpanExporter):
    """Takes every span and keeps none."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


async def events_of_a_talk() -> list[Event]:
    """Three utterances, two of them for a tool, in virtual time."""
    registry = Registry()
    register_builtin(registry, stats=dict)
    clip = np.concatenate([pause(0.5), *[spoken(1.0), pause(7.0)] * len(SAID)])
    engine = ScriptedEngine(["once upon a time there was a mushroom"])
    result = await run_talk(clip, engines=[engine], asr=ScriptedAsr(SAID), actor=Bridge(registry), tones=True)
    # Told as in real time, where the first frame says when session time began.
    first = result.events[0]
    assert isinstance(first, events.SessionOpened)
    return [dataclasses.replace(first, pace="realtime"), *result.events[1:]]


def costs_us(story: Sequence[Event], watchers: Watchers, talks: int) -> tuple[list[float], list[float]]:
    """Microseconds for each frame's event, and for each other one."""
    frames: list[float] = []
    others: list[float] = []
    for _talk in range(talks):
        watching = watchers()
        for event in story:
            began = time.perf_counter_ns()
            for watcher in watching:
                watcher.on_event(event)
            took = (time.perf_counter_ns() - began) / 1_000
            (frames if isinstance(event, events.FrameTiming) else others).append(took)
    return frames, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--talks", type=int, default=40)
    options = parser.parse_args()
    logging.disable()
    story = asyncio.run(events_of_a_talk())
    figures = TalkFigures(CollectorRegistry(), engines=Bounded(), tools=Bounded())
    queue = SpanQueue(Nowhere())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("benchmark")

    def counted() -> list[Observer]:
        return [TalkMeter(figures), TalkLog()]

    settings: dict[str, Watchers] = {
        "nobody watches": list,
        "counted and logged (no endpoint set)": counted,
        "and traced": lambda: [*counted(), TalkSpans(tracer, engine=str, tool=str)],
    }
    rows = []
    for name, watchers in settings.items():
        costs_us(story, watchers, 2)
        gc.collect()
        for what, took in zip(("a frame", "any other event"), costs_us(story, watchers, options.talks), strict=True):
            p95 = percentile(took, 95)
            share = None if p95 is None else p95 / (FRAME_MS * 1_000) * 100
            rows.append((name, what, len(took), percentile(took, 50), p95, max(took), share))
    print(f"{len(story)} events a talk, {options.talks} talks; {machine()}\n")
    print(table(("who watches", "event", "n", "p50 us", "p95 us", "max us", "p95, % of 80 ms"), rows, digits=2))
    provider.shutdown()
    print(f"\nSpans: {queue.counts.read()}.")


if __name__ == "__main__":
    main()
