"""The gateway's step on a CUDA device, with a random model of the 7B's exact shapes made in its memory: time of a step with CUDA graphs
and a full window, talks held in real time while strangers join, time to ready, memory; beside the floor that the measured memory
bandwidth sets.

    uv run --extra personaplex python -m benchmarks.gpu_step --json out.json              # about 6 minutes on an H100 or H200
    uv run --extra personaplex python -m benchmarks.gpu_step --batches 64,80 --hold "" --weights int8 --kv fp8
    uv run --extra personaplex python -m benchmarks.gpu_step --dry-run                    # the same path on a CPU, tiny shapes

`--compile off` leaves out the kernels that moshi compiles. What did not fit is said in its row."""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from benchmarks.gpu_tables import Hold, Step, as_markdown
from benchmarks.table import machine, percentile
from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm

if TYPE_CHECKING:
    from workbench.gateway.model import Model
    from workbench.gateway.owner import Owner

GIB = 2**30
COPY_BYTES, DRY_COPY_BYTES = 2 * GIB, 32 << 20
COPIES = 10
JOIN_TICKS = 12
"""Ticks between two strangers who join: 0.96 s."""
KNOWN_JOINS = 8
STORY = "You keep a small shop for bread and cakes near the river. Today is a holiday, and you close early. "
PROMPT_CHARS, DRY_PROMPT_CHARS = 300, 20
"""Of a persona's text: with the voice about 180 positions of the tiny tokenizer's pieces on a GPU."""


class Listener:
    """Nobody: it keeps the time to ready."""

    def __init__(self, ready_ms: list[float]) -> None:
        self._ready_ms = ready_ms

    def waiting(self, position: int) -> None: ...

    def ready(self, info: dict[str, Any]) -> None:
        self._ready_ms.append(info["ready_ms"])

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None: ...

    def notice(self, kind: str, data: dict[str, Any]) -> None: ...

    def ended(self, reason: str, message: str) -> None: ...


class Bench:
    """One model in one memory mode, run at several batch sizes."""

    def __init__(self, options: argparse.Namespace, voices: Path) -> None:
        from benchmarks.random_personaplex import VOICE, random_checkpoint, write_voice
        from workbench.gateway.modes import choose_mode

        self.dry: bool = options.dry_run
        self.device = torch.device("cpu" if self.dry else "cuda")
        self.dtype = torch.float32 if self.dry else torch.bfloat16
        self.mode = choose_mode(weights=options.weights, kv=options.kv, context=options.context)
        self.checkpoint = random_checkpoint(self.device, tiny=self.dry)
        self.voices, self.voice = voices, VOICE
        write_voice(voices, 0.5 if self.dry else 4.0)
        self._strangers = 0

    @contextmanager
    def model(self, rows: int) -> Iterator[Model]:
        """A warmed-up model with `rows` rows, all of whose rings are full. Raises CheckpointError when it does not fit."""
        from workbench.gateway.model import Model
        from workbench.gateway.streams import rings

        # Only here is the model before out of every frame.
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        made = Model(self.checkpoint, rows=rows, device=self.device, dtype=self.dtype, voices=self.voices, mode=self.mode)
        try:
            made.warm_up()
            state = made.lm.transformer.get_streaming_state()
            full = (made.lm.context or 0) + 1
            for part in state.values():
                for name in ("offset", "offsets"):
                    if isinstance(getattr(part, name, None), torch.Tensor):
                        getattr(part, name).fill_(full)
            for ring in rings(state):
                ring.end_offset.fill_(full)
            yield made
        finally:
            made.close()

    def copy_rate(self) -> float:
        """Bytes per second that the device reads and writes in a plain copy."""
        source = torch.ones(DRY_COPY_BYTES if self.dry else COPY_BYTES, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        target.copy_(source)
        self._wait()
        began_s = time.perf_counter()
        for _ in range(COPIES):
            target.copy_(source)
        self._wait()
        return 2 * COPIES * source.numel() / (time.perf_counter() - began_s)

    def step(self, batch: int, steps: int, rate: float) -> Step:
        """Times `steps` steps of `batch` rows, then a stranger's and a known persona's way to ready with nobody else stepping."""
        found = Step(batch)
        found.fault = fault_of(lambda: self._step(found, steps, rate))
        return found

    def _step(self, found: Step, steps: int, rate: float) -> None:
        batch = found.batch
        with self.model(batch) as model:
            user = np.random.default_rng(2).normal(0, 0.05, (batch, FRAME_SAMPLES)).astype(np.float32)
            times = [self._timed(lambda: model.step(user, [True] * batch)) for _ in range(steps)]
            memory = model.memory()
            found.n = steps
            found.p50_ms, found.p99_ms = percentile(times, 50), percentile(times, 99)
            found.floor_ms = (read_bytes(model) + batch * memory.kv_slot) / rate * 1_000
            found.weights_gib, found.kv_slot_gib = memory.weights / GIB, memory.kv_slot / GIB
            if self.device.type == "cuda":
                found.allocated_gib = torch.cuda.max_memory_allocated() / GIB
            text = self.stranger()
            found.ready_cold_ms = self._timed(lambda: self._join(model, text))
            found.ready_known_ms = self._timed(lambda: self._join(model, text))

    def hold(self, talks: int, seconds: float) -> Hold:
        """Steps `talks` talks in real time for `seconds`. About once a second the one that came first leaves, and a stranger comes."""
        found = Hold(talks)
        found.fault = fault_of(lambda: self._hold(found, seconds))
        return found

    def _hold(self, found: Hold, seconds: float) -> None:
        from workbench.gateway.owner import Limits, Owner

        talks = found.talks
        with self.model(talks) as model:
            owner = Owner(model, limits=Limits(idle_s=1e9, length_s=1e9))
            for _ in range(talks):
                self._enter(owner, STORY, [])
            make_ready(owner)
            frame = np.random.default_rng(3).normal(0, 0.05, FRAME_SAMPLES).astype(np.float32)
            ticks = round(seconds * 1_000 / FRAME_MS)
            began_s = time.perf_counter()
            answered: list[float] = []
            for tick in range(ticks):
                due_s = began_s + tick * FRAME_MS / 1_000
                time.sleep(max(0.0, due_s - time.perf_counter()))
                for seat in owner.live:
                    seat.take(frame)
                owner.tick()
                answered.append((time.perf_counter() - due_s) * 1_000)
                if owner.preparing:
                    owner.prepare_next()
                if tick % JOIN_TICKS == JOIN_TICKS - 1:
                    self._enter(owner, self.stranger(), found.cold_ms)
            for _ in range(KNOWN_JOINS):
                self._enter(owner, STORY, found.known_ms)
                make_ready(owner, ticking=True)
            owner.end_all("closed", "")
            found.ticks, found.p50_ms, found.p99_ms = ticks, percentile(answered, 50), percentile(answered, 99)
            found.late = sum(ms > FRAME_MS for ms in answered)

    def stranger(self) -> str:
        """A persona that was never seen."""
        self._strangers += 1
        return f"You are {self._strangers}. {STORY * 9}"[: DRY_PROMPT_CHARS if self.dry else PROMPT_CHARS]

    def _enter(self, owner: Owner, text: str, ready_ms: list[float]) -> None:
        from workbench.gateway.rollover import Rollover
        from workbench.gateway.seat import Request, Seat

        model = owner.model
        if None not in owner.rows:
            owner.end(min((seat for seat in owner.rows if seat), key=lambda seat: seat.began_s), "closed", "")
        text = text[: DRY_PROMPT_CHARS if self.dry else PROMPT_CHARS]
        request = Request(model.find_voice(self.voice), text, model.text_ids(text))
        # A window without end: a rollover is another measure.
        owner.waiting.append(Seat(request, Listener(ready_ms), Rollover(1 << 40)))
        owner.admit()

    def _join(self, model: Model, text: str) -> None:
        model.join(0, model.prefiller.run(model.prompt(model.find_voice(self.voice), model.text_ids(text))))

    def _timed(self, act: Any) -> float:
        self._wait()
        began_s = time.perf_counter()
        act()
        self._wait()
        return (time.perf_counter() - began_s) * 1_000

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def make_ready(owner: Owner, *, ticking: bool = False) -> None:
    """Takes in all prompts that wait, `ticking` between their chunks."""
    while owner.preparing:
        owner.prepare_next()
        if ticking:
            owner.tick()


def fault_of(act: Callable[[], None]) -> str:
    """Does it; what does not fit is told, and the next row is tried."""
    from workbench.gateway.checkpoint import CheckpointError

    try:
        act()
    except (CheckpointError, torch.OutOfMemoryError) as error:
        return f"does not fit: {' '.join(str(error).split())[:160]}"
    return ""


def read_bytes(model: Model) -> int:
    """Weights of the language model that every step reads: all but the embedding tables."""
    from workbench.gateway.memory import held_bytes

    tables = {id(value) for module in model.lm.modules() if isinstance(module, nn.Embedding) for value in module.parameters()}
    return held_bytes(value for value in chain(model.lm.parameters(), model.lm.buffers()) if id(value) not in tables)


def numbers(text: str) -> list[int]:
    """Whole numbers separated by commas."""
    return [int(part) for part in text.split(",") if part.strip()]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=numbers, default=None, help="talks per step (1,8,16,32,64,80)")
    parser.add_argument("--steps", type=int, default=200, help="timed steps of each")
    parser.add_argument("--hold", type=numbers, default=None, help="talks to hold in real time (64); an empty text leaves it out")
    parser.add_argument("--hold-s", type=float, default=60.0)
    parser.add_argument("--weights", default="full", help="full or int8")
    parser.add_argument("--kv", default="full", help="full or fp8")
    parser.add_argument("--context", type=int, default=None)
    parser.add_argument("--compile", choices=("moshi", "off"), default="moshi", help="off: without the kernels that moshi compiles")
    parser.add_argument("--dry-run", action="store_true", help="the same on a CPU with the tiny checkpoint's shapes")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all figures there too")
    options = parser.parse_args(arguments)
    options.batches = options.batches or ([1, 2] if options.dry_run else [1, 8, 16, 32, 64, 80])
    options.hold = ([2] if options.dry_run else [64]) if options.hold is None else options.hold
    if not options.dry_run and not torch.cuda.is_available():
        parser.error("there is no CUDA device; --dry-run runs the same path on the CPU with tiny shapes, and measures nothing of a GPU")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.dry_run:
        torch.set_num_threads(1)
    if options.compile == "off":
        os.environ["NO_TORCH_COMPILE"] = "1"
    with tempfile.TemporaryDirectory(prefix="gpu-step-") as scratch:
        bench = Bench(options, Path(scratch))
        where = "CPU (dry run, tiny shapes: no figure of a GPU)" if bench.dry else torch.cuda.get_device_name()
        rate = bench.copy_rate()
        print(f"{bench.checkpoint.name}, {bench.mode}, compile {options.compile}, on {where}; copy {rate / 1e9:.0f} GB/s; {machine()}.\n")
        steps = [bench.step(batch, options.steps, rate) for batch in options.batches]
        holds = [bench.hold(talks, options.hold_s) for talks in options.hold]
    print(as_markdown(steps, holds))
    if options.json is not None:
        facts = {"device": where, "mode": str(bench.mode), "compile": options.compile, "copy_bytes_per_s": rate}
        figures = {"steps": [asdict(step) for step in steps], "holds": [asdict(hold) | {"held": hold.held} for hold in holds]}
        options.json.write_text(json.dumps(facts | figures, indent=1))


if __name__ == "__main__":
    main()
