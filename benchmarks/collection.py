"""What a round of Python's garbage collector costs a server, before and after it is spared what is loaded.

    uv run --extra personaplex python -m benchmarks.collection [--rounds 10]

The tiny checkpoint with eight rows; a round over everything stops every thread of the process for as long.
"""

from __future__ import annotations

import argparse
import gc
import time

from benchmarks.gateway import TINY
from benchmarks.table import machine, percentile, table
from workbench.commands.common import spare_from_collection
from workbench.gateway.load import find_checkpoint, load_model


def rounds_ms(rounds: int) -> list[float]:
    """Full collections, ms each."""
    took = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        gc.collect()
        took.append((time.perf_counter() - began_s) * 1_000)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    model = load_model(find_checkpoint(str(TINY)), device="cpu", rows=8, dtype="float32")
    model.warm_up()
    rows: list[tuple[str | int | float | None, ...]] = []
    for state in ("as it is", "spared what is loaded"):
        if rows:
            spare_from_collection()
        visited, took = len(gc.get_objects()), rounds_ms(rounds)
        rows.append((state, visited, rounds, percentile(took, 50), percentile(took, 95)))
    print(f"{machine()}\n\n{table(('collector', 'objects visited', 'n rounds', 'p50 ms', 'p95 ms'), rows, digits=2)}")


if __name__ == "__main__":
    main()
