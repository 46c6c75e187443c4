"""From the start of `workbench serve` to its first page, all models loaded.

    uv run python -m benchmarks.startup [--runs 7]

Each run is a new process with an empty data folder; the page is asked for every 20 ms until it answers 200. The server listens only
once every model is loaded. The first run is not counted: it fills the file cache, as an installation does.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import psutil

from benchmarks.children import SERVE, child, cpu_s, free_port, wait_until_answered
from benchmarks.table import machine, percentile, table


def started_s() -> tuple[float, float]:
    """Seconds from the start of the process to the first page, and the CPU seconds that it and its children took for it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        with child([*SERVE, "--port", str(port), "--data-dir", folder]) as process:
            took_s = wait_until_answered(f"http://127.0.0.1:{port}/", process) - began_s
            family = psutil.Process(process.pid)
            return took_s, sum(cpu_s(one) for one in [family, *family.children(recursive=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    print(machine())
    started_s()
    took = [started_s() for _ in range(options.runs)]
    wall, cpu = zip(*took, strict=True)
    row = (len(took), *(percentile(wall, q) for q in (50, 95, 100)), percentile(cpu, 50))
    print(table(("n", "p50 s", "p95 s", "max s", "CPU p50 s"), [row], digits=2))
    print(machine())


if __name__ == "__main__":
    main()
