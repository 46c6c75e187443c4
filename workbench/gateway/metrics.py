"""What Prometheus is told of the gateway. One registry per server, so that tests and several servers do not share counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STEP_BUCKETS_S = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0)
READY_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """All figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        to = self.registry
        self.step = Histogram("gateway_step_seconds", "One tick of all rows, codec included", buckets=STEP_BUCKETS_S, registry=to)
        self.missed = Counter("gateway_deadline_misses", "Ticks that took longer than 80 ms", registry=to)
        self.paused = Counter("gateway_paused_frames", "Ticks that a row sat out because its frame was not there yet", registry=to)
        self.dropped = Counter("gateway_dropped_frames", "User frames thrown away because the row fell behind", registry=to)
        self.slots = Gauge("gateway_slots", "Rows of the batch", registry=to)
        self.busy = Gauge("gateway_slots_busy", "Rows with a visitor", registry=to)
        self.queue = Gauge("gateway_queue", "Visitors that wait for a slot", registry=to)
        self.refused = Counter("gateway_refused", "Visitors that were turned away because the queue was full", registry=to)
        self.ready = Histogram("gateway_ready_seconds", "From getting a slot to being ready", buckets=READY_BUCKETS_S, registry=to)
        self.ended = Counter("gateway_ended", "Talks that ended, by reason", ["reason"], registry=to)
        self.rollovers = Counter("gateway_rollovers", "New prompts in mid-talk, by how they came", ["how"], registry=to)
        self.snapshot_bytes = Gauge("gateway_snapshot_bytes", "Memory of the kept prompts", registry=to)
