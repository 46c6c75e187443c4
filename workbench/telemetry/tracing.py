"""Traces, where an OTLP endpoint is set: who makes spans, and how they are sent. Without one nothing of the SDK is loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from opentelemetry.trace import Tracer

INSTALL = "uv sync --extra telemetry"
MISSING = f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but what sends traces is not installed: no traces. Mend it with `{INSTALL}`, or unset it."
SCOPE = "workbench"
"""The instrumentation scope of all our spans."""
FLUSH_S = 5.0
"""How long the end of a process waits for the collector."""
EXPORT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tracing:
    """Made by `start_tracing`. `close` sends what waits."""

    tracer: Tracer
    counts: Callable[[], Mapping[str, int]]
    """Spans so far by fate: `exported`, `failed`, `dropped`."""
    shutdown: Callable[[], None]

    def close(self) -> None:
        """Sends what waits, for at most `FLUSH_S`; blocks. What is left then is lost, and the log says so."""
        ending = threading.Thread(target=self.shutdown, name="end-tracing", daemon=True)
        ending.start()
        ending.join(FLUSH_S)
        if ending.is_alive():
            logging.getLogger(__name__).warning("the collector of traces did not take the last spans within %g s", FLUSH_S)


def start_tracing(endpoint: str | None, *, service: str, tell: Callable[[str], None]) -> Tracing | None:
    """`endpoint`: the address that spans are posted to, None = no traces. `service` is the `service.name` where neither
    `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` gives one. Other `OTEL_` variables are read by the SDK. `tell` hears in one
    sentence why there are no traces although an endpoint is set."""
    if endpoint is None:
        return None
    if any(find_spec(name) is None for name in ("opentelemetry.sdk", "opentelemetry.exporter")):
        tell(MISSING)
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    from workbench.telemetry.span_queue import SpanQueue

    named = OTELResourceDetector().detect().attributes
    resource = Resource.create({} if "service.name" in named else {"service.name": service})
    queue = SpanQueue(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(queue)
    return Tracing(provider.get_tracer(SCOPE), queue.counts.read, provider.shutdown)
