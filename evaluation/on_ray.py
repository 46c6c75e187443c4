"""Cells held by the workers of a Ray cluster: one core task for each. This process alone writes the run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.cargo import Cargo
from evaluation.cell import empty_row
from evaluation.cell_rows import RunError
from evaluation.held_cell import LIMIT_S, Introduction, Planned
from evaluation.ray_cluster import Cluster
from evaluation.sweep import Result
from evaluation.worker import Delivery, hold_in_worker, introduce_worker

ATTEMPTS = 3
"""Workers that a cell may lose before it has failed: one may go with its machine, three are the cell's own doing."""


class OnRay:
    """An executor for as long as `cluster` is connected."""

    def __init__(
        self,
        cluster: Cluster,
        cargo: Cargo,
        scratch: Path,
        *,
        at_once: int | None = None,
        limit_s: float = LIMIT_S,
        tell: Callable[[str], None],
    ) -> None:
        """`at_once`: cells under way at most; None = as many as the cluster has processors. `tell` hears of every worker that is lost."""
        self._ray = cluster.ray
        self._cluster = cluster
        self._cargo = self._ray.put(cargo)
        self._scratch = scratch
        self._at_once = at_once
        self._limit_s = limit_s
        self._tell = tell
        self._parts: Mapping[str, Any] = {}
        # What a lost worker means is decided here, so Ray itself repeats nothing.
        self._hold = self._ray.remote(num_cpus=1, max_retries=0)(hold_in_worker)
        self._introduce = self._ray.remote(num_cpus=1, max_retries=0)(introduce_worker)

    async def introduce(self) -> Introduction:
        """Who holds the cells: one worker's word, which all others are compared with. Raises RunError."""
        try:
            found: Introduction = await self._answer(self._introduce.remote(self._cargo, self._cluster.scratch))
        except self._ray.exceptions.RayTaskError as error:
            raise RunError(f"A worker cannot hold cells: {_cause(error)}") from error
        except self._ray.exceptions.RayError as lost:
            raise RunError(f"A worker was lost before it could answer: {_short(lost)}") from lost
        self._parts = found.parts
        return found

    async def results(self, cells: Sequence[Planned]) -> AsyncGenerator[Result, None]:
        """As an `Executor`'s. A cell whose worker is lost is tried again, and fails after `ATTEMPTS`."""
        waiting, lost = deque(cells), dict.fromkeys((planned[0].name for planned in cells), 0)
        under_way: dict[asyncio.Future[Delivery], tuple[Planned, Any]] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < (self._at_once or self._cluster.slots()):
                    planned = waiting.popleft()
                    reference = self._hold.remote(self._cargo, planned[0], self._limit_s, self._cluster.scratch)
                    under_way[asyncio.ensure_future(self._answer(reference))] = planned, reference
                done, _pending = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for answer in done:
                    planned, _reference = under_way.pop(answer)
                    cell, persona, scenario = planned
                    try:
                        delivery = answer.result()
                    except self._ray.exceptions.RayTaskError as error:
                        raise RunError(f"A worker cannot hold {cell}: {_cause(error)} What was finished is kept.") from error
                    except self._ray.exceptions.RayError as loss:
                        lost[cell.name] += 1
                        self._tell(f"{cell}: the worker was lost ({_short(loss)}), {lost[cell.name]} of {ATTEMPTS} times.")
                        if lost[cell.name] < ATTEMPTS:
                            waiting.append(planned)
                        else:
                            why = f"{ATTEMPTS} workers were lost with it, the last: {_short(loss)}"
                            yield cell, empty_row(cell, persona, scenario) | {"machine": None, "status": "failed", "error": why}, None
                        continue
                    self._check(delivery)
                    yield cell, delivery.row, self._unpack(cell.name, delivery)
        finally:
            for answer, (_planned, reference) in under_way.items():
                answer.cancel()
                self._ray.cancel(reference, force=True)

    async def _answer(self, reference: Any) -> Any:
        return await asyncio.wrap_future(reference.future())

    def _check(self, delivery: Delivery) -> None:
        if delivery.parts != self._parts:
            names = sorted(name for name in self._parts if delivery.parts.get(name) != self._parts[name])
            told = "; ".join(f"{name} is {delivery.parts.get(name)} on one and {self._parts[name]} on another" for name in names)
            raise RunError(f"The machines of this cluster are not alike: {told}. Name these parts in the settings, or mend that machine.")

    def _unpack(self, name: str, delivery: Delivery) -> Path | None:
        """The talk as a folder on the run's disk."""
        if delivery.talk is None:
            return None
        folder = self._scratch / name
        for file, content in delivery.talk.items():
            path = folder / file
            if not path.resolve().is_relative_to(folder.resolve()):
                raise RunError(f"A worker delivered {file!r}, which is no file of a talk.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


def _cause(error: Any) -> str:
    """What went wrong in a task, without its trace."""
    cause = error.cause
    return f"{type(cause).__name__}: {_short(cause)}"


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:297]}..."
