"""Fills a store until the system refuses the file's growth, as a full disk does; then lets it grow. Prints what the store said."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from workbench.store.duckdb_store import DuckDbStore


def wait_until_it_writes(store: DuckDbStore) -> None:
    deadline = time.monotonic() + 60
    while store.failure is not None or store.waiting_rows:
        if time.monotonic() > deadline:
            raise TimeoutError(store.failure)
        time.sleep(0.02)


signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
told: list[str] = []
store = DuckDbStore(Path(sys.argv[1]), flush_s=0.05, waiting_rows_max=5_000, on_failure=told.append)
store.append(
    "voice_sessions",
    {"session_id": "s", "conversation_id": "c", "mode": "echo", "started_at": datetime.now(UTC), "is_active": True},
)
sent = 0


def send() -> None:
    global sent
    store.append(
        "voice_events",
        {"session_id": "s", "seq": sent, "kind": "X", "at_samples": 0, "noticed_samples": 0, "payload": json.dumps(os.urandom(200).hex())},
    )
    sent += 1


while store.failure is None:
    send()
    if sent % 100 == 0:
        time.sleep(0.01)
while store.lost_rows == 0:
    send()
    if sent % 100 == 0:
        time.sleep(0.01)
readable = len(store.query("SELECT 1 FROM voice_events"))
full = {"failure": store.failure, "waiting": store.waiting_rows, "readable": readable}
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
wait_until_it_writes(store)
said = {"told": told, "sent": sent, **full, "lost_after": store.lost_rows, "failure_after": store.failure}
sys.stdout.write(json.dumps(said))
store.close()
