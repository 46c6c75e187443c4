"""What a step of the model takes while the talks' sound is encoded beside it, in the same process, as in a gateway.

    uv run --extra personaplex python -m benchmarks.step_beside_opus [--slots 8] [--rounds 12]

Tiny checkpoint, one torch thread. Rounds of two seconds in turn, so that a machine whose speed changes is the same for all: nothing
beside, sphn's writer (which moshi's server uses), ours.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np
import sphn
import torch

from benchmarks.gateway import TINY
from benchmarks.table import machine, percentile, table
from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Pcm
from workbench.audio.opus import OpusWriter
from workbench.gateway.load import find_checkpoint, load_model
from workbench.gateway.model import Model
from workbench.testing.talks import spoken

ROUND_S = 2.0
Encode = Callable[[Pcm], object]


def sphn_writer() -> Encode:
    """moshi's own."""
    writer = sphn.OpusStreamWriter(SAMPLE_RATE)
    return lambda pcm: writer.append_pcm(pcm)


def our_writer() -> Encode:
    """The gateway's."""
    return OpusWriter().append


def nobody() -> Encode:
    """Nothing is encoded."""
    return lambda _pcm: None


BESIDE = {"nothing": nobody, "sphn": sphn_writer, "ours": our_writer}


def encode_all(make: Callable[[], Encode], streams: int, stop: threading.Event, late_ms: list[float]) -> None:
    """A frame of every stream each 80 ms, until `stop`; notes how long after its time the last one was done."""
    encoders = [make() for _ in range(streams)]
    sound = spoken(2.0)
    due_s, at = time.perf_counter(), 0
    while not stop.wait(max(0.0, due_s - time.perf_counter())):
        for encode in encoders:
            encode(sound[at : at + FRAME_SAMPLES])
        late_ms.append((time.perf_counter() - due_s) * 1_000)
        due_s, at = due_s + FRAME_MS / 1_000, (at + FRAME_SAMPLES) % (sound.size - FRAME_SAMPLES)


def steps_ms(model: Model, beside: str, late_ms: list[float]) -> list[float]:
    """Steps of all rows for one round, ms each."""
    stop = threading.Event()
    encoding = threading.Thread(target=encode_all, args=(BESIDE[beside], model.rows, stop, late_ms))
    encoding.start()
    user, active, took = np.zeros((model.rows, FRAME_SAMPLES), np.float32), [True] * model.rows, []
    ends_s = time.perf_counter() + ROUND_S
    while (began_s := time.perf_counter()) < ends_s:
        model.step(user, active)
        took.append((time.perf_counter() - began_s) * 1_000)
    stop.set()
    encoding.join()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    model = load_model(find_checkpoint(str(TINY)), device="cpu", rows=options.slots, dtype="float32")
    model.warm_up()
    took: dict[str, list[float]] = {beside: [] for beside in BESIDE}
    late: dict[str, list[float]] = {beside: [] for beside in BESIDE}
    for _ in range(options.rounds):
        for beside in BESIDE:
            took[beside] += steps_ms(model, beside, late[beside])
    alone = percentile(took["nothing"], 50) or 0.0
    rows = [
        (beside, len(ms), percentile(ms, 50), percentile(ms, 95), (percentile(ms, 50) or 0.0) / alone, percentile(late[beside], 50))
        for beside, ms in took.items()
    ]
    head = ("encoded beside", "n steps", "p50 ms", "p95 ms", "p50 ratio", f"all {options.slots} frames encoded after p50 ms")
    print(f"\n{table(head, rows, digits=2)}\n\n{machine()}")


if __name__ == "__main__":
    main()
