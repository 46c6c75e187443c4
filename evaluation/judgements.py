"""Judgements beside a run's rows: `RUN/judgements/<row>.json` holds what was asked, the raw answer, and the scores or why not."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.cell_rows import Cell, RunError
from evaluation.judge import Scores, Unread, ask, messages, read_scores
from evaluation.whole_files import write_json
from workbench.llm_endpoint import EndpointError, OpenAiEndpoint
from workbench.personas import Persona

AT_ONCE = 4
"""Requests under way."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a round of judging went."""

    asked: int
    """Talks judged in this round."""
    kept: int
    """Talks whose judgement, of the same request to the same model, was there already."""
    unread: Mapping[str, str]
    """Row to why its answer could not be read; those have no score. They are not asked again: the same words get the same answer."""


async def judge_run(
    run: Path,
    cells: Sequence[Cell],
    personas: Mapping[str, Persona],
    endpoint: OpenAiEndpoint,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Judged:
    """Has every finished talk with a turn of the agent judged, those apart that are. May be interrupted and called again at any time.

    Raises EndpointError when the endpoint fails: what was judged until then is kept. Raises RunError when a judgement cannot be written.
    """
    folder = run / "judgements"
    requests = {cell.name: request_for(cell, personas[cell.persona], endpoint.model) for cell in judgeable(cells)}
    stored = {name: _stored(folder / f"{name}.json") for name in requests}
    todo = [name for name in requests if (there := stored[name]) is None or there.get("request_hash") != requests[name]["request_hash"]]
    unread = {name: str(row["unread"]) for name, row in stored.items() if name not in todo and row is not None and row["unread"]}
    folder.mkdir(exist_ok=True)
    done = 0

    async def work(names: Iterator[str]) -> None:
        nonlocal done
        for name in names:
            row = await _judgement(requests[name], endpoint)
            _write(folder / f"{name}.json", row)
            if row["unread"]:
                unread[name] = row["unread"]
            done += 1
            progress(done, len(todo))

    waiting = iter(todo)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work(waiting))
    except* (EndpointError, RunError) as faults:
        raise faults.exceptions[0] from None
    return Judged(done, len(requests) - len(todo), unread)


def judgeable(cells: Sequence[Cell]) -> list[Cell]:
    """The finished talks in which the agent said something."""
    return [cell for cell in cells if cell.status == "done" and any(turn.speaker == "agent" and turn.words for turn in cell.turns)]


def read_judgements(run: Path, cells: Sequence[Cell], personas: Mapping[str, Persona]) -> dict[str, Scores]:
    """The scores of these rows, as far as there are any. A judgement of other words than the row's is left out: the row is newer.

    Raises RunError for a broken file, and where the talks were judged by more than one model: their scores cannot stand side by side.
    """
    found: dict[str, Scores] = {}
    models: set[str] = set()
    for cell in judgeable(cells):
        row = _stored(run / "judgements" / f"{cell.name}.json")
        if row is None or row["request_hash"] != request_for(cell, personas[cell.persona], row["model"])["request_hash"]:
            continue
        models.add(row["model"])
        if row["scores"] is not None:
            found[cell.name] = Scores(**row["scores"])
    if len(models) > 1:
        raise RunError(f"The talks were judged by several models ({', '.join(sorted(models))}): run `evaluate compare --judge` with one.")
    return found


def request_for(cell: Cell, persona: Persona, model: str) -> dict[str, Any]:
    """What is asked about one talk, with a hash of it and of the model: the same hash, the same question."""
    asked = messages(persona, cell.turns)
    whole = json.dumps([model, asked]).encode()
    return {"row": cell.name, "model": model, "messages": asked, "request_hash": hashlib.sha256(whole).hexdigest()}


async def _judgement(request: Mapping[str, Any], endpoint: OpenAiEndpoint) -> dict[str, Any]:
    answer = await ask(endpoint, request["messages"])
    scores: Scores | None = None
    fault = ""
    try:
        scores = read_scores(answer)
    except Unread as error:
        fault = str(error)
    return {**request, "host": endpoint.host, "answer": answer, "scores": asdict(scores) if scores else None, "unread": fault}


def _stored(path: Path) -> dict[str, Any] | None:
    """A judgement that is there. Raises RunError for a broken one."""
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_text("utf-8"))
        if not {"request_hash", "model", "answer", "scores", "unread"} <= row.keys():
            raise ValueError(f"it has only {', '.join(row)}")
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is no judgement ({error}). Delete it and judge again.") from error
    return dict(row)


def _write(path: Path, row: Mapping[str, Any]) -> None:
    """Whole or not at all: a judgement cut off by a crash would look like one that was made."""
    try:
        write_json(path, row)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}).") from error
