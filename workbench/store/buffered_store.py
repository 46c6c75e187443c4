"""What every engine's store has in common: rows wait in memory for one thread that writes them, and are kept while they cannot be."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from workbench.store.base import OnFailure, Row, Statement, StoreError
from workbench.store.tables import TABLES, Batch, Pending, Table

log = logging.getLogger(__name__)

FLUSH_S = 1.0
"""Longest that a row waits for its commit, beside the commit itself. What is promised outside is 2 s."""
WAITING_ROWS_MAX = 200_000
"""Rows kept in memory while the database refuses them: over an hour of eight talks."""


class BufferedStore(ABC):
    """The writing half of a `Store`. An engine says how a transaction, an insert and a statement are done, all in the writer's thread."""

    def __init__(self, name: str, *, flush_s: float, waiting_rows_max: int, on_failure: OnFailure | None, process_id: str | None) -> None:
        """`name`: what messages call the database. `process_id`: of the process that holds talks here, where one does. An engine calls
        `_start` when it is ready to write."""
        self.name = name
        self.process_id = process_id
        self._flush_s = flush_s
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._pending = Pending(waiting_rows_max)
        self._taken = 0
        self._jobs: list[tuple[Sequence[Statement], Future[None]]] = []
        self._urgent = False
        self._closing = False
        self._failure: str | None = None
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # --- what an engine does, in the writer's thread -------------------------------------------------------------------

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Any]:
        """Commits at its end; rolls back when what is inside raises."""

    @abstractmethod
    def _insert(self, table: Table, rows: Sequence[Row], *, again: bool) -> None:
        """Inserts the rows, all with the same columns. `again`: an earlier try broke off, and may have committed some of them."""

    @abstractmethod
    def _execute(self, sql: str, params: Sequence[Any]) -> None:
        """Runs one statement."""

    @abstractmethod
    def _idle(self) -> None:
        """Called about every `flush_s` when nothing is to be written. What it raises is a failure to write."""

    @abstractmethod
    def _rows_fault(self, error: Exception) -> bool:
        """True for an error that comes again whenever the same row is tried; all others may pass (a full disk, a server that is away)."""

    def _told(self, error: Exception) -> str:
        """The error in words, without the full stop."""
        return str(error).strip().rstrip(".")

    @abstractmethod
    def _mend(self, error: Exception) -> str:
        """How to mend it, as a sentence."""

    @abstractmethod
    def _release(self) -> None:
        """Gives the database back; called once, after the writer's thread has ended."""

    # --- Store ---------------------------------------------------------------------------------------------------------

    @property
    def failure(self) -> str | None:
        return self._failure

    @property
    def waiting_rows(self) -> int:
        with self._changed:
            return len(self._pending) + self._taken

    @property
    def lost_rows(self) -> int:
        return self._lost

    def append(self, table: str, row: Row, *, urgent: bool = False) -> None:
        spec = TABLES[table]
        with self._changed:
            self._refuse_when_closed()
            if not self._pending.add(spec, row):
                self._lost += 1
            if urgent:
                self._urgent = True
                self._changed.notify()

    def flush(self) -> None:
        self.write()

    def write(self, *statements: Statement) -> None:
        done: Future[None] = Future()
        with self._changed:
            self._refuse_when_closed()
            self._jobs.append((statements, done))
            self._changed.notify()
        done.result()

    def close(self) -> None:
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if left := len(self._pending):
            self._lost += left
            log.error("%d rows could not be written before the store was closed: %s", left, self._failure)
        self._release()

    def _start(self) -> None:
        self._thread.start()

    def _refuse_when_closed(self) -> None:
        if self._closing:
            raise StoreError("the store is closed. Open it again to read or write.")

    # --- the writer's thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._urgent or self._jobs or self._closing, timeout=self._flush_s)
                closing = self._closing
                self._urgent = False
                jobs, self._jobs = self._jobs, []
                batch = self._pending.take()
                self._taken = sum(map(len, batch.values()))
            if batch or not jobs:
                self._write_batch(batch)
            for statements, done in jobs:
                self._run_job(statements, done)

    def _run_job(self, statements: Sequence[Statement], done: Future[None]) -> None:
        if self._failure:
            done.set_exception(StoreError(self._failure))
            return
        if not statements:
            done.set_result(None)
            return
        try:
            with self._transaction():
                for sql, params in statements:
                    self._execute(sql, params)
        except Exception as error:  # noqa: BLE001 - handed to the caller, who waits in another thread
            done.set_exception(StoreError(f"the write failed: {self._told(error)}. {self._mend(error)}"))
        else:
            done.set_result(None)

    def _write_batch(self, batch: Batch) -> None:
        left, error = batch, None
        again = self._failure is not None
        try:
            if batch:
                with self._transaction():
                    for name, rows in batch.items():
                        self._insert(TABLES[name], rows, again=again)
            else:
                self._idle()
        except Exception as caught:  # noqa: BLE001 - the thread must live on: the rows are kept and the failure is shown
            error = caught
        if error is None:
            left = {}
        elif self._rows_fault(error):
            left, error = self._write_in_parts(batch, again=again)
        with self._changed:
            self._taken = 0
            self._lost += self._pending.put_back(left)
        if error is not None:
            self._fail(error)
        elif self._failure:
            log.warning("the store writes again; %d rows were lost since it was opened", self._lost)
            self._failure = None

    def _write_in_parts(self, batch: Batch, *, again: bool) -> tuple[Batch, Exception | None]:
        """Finds the rows that the database refuses, and loses only them. Returns what must be tried again, and why."""
        left: dict[str, list[Row]] = {}
        stopped: Exception | None = None
        for name, rows in batch.items():
            refused: list[str] = []
            parts = [rows]
            while parts:
                part = parts.pop()
                if stopped is not None:
                    left.setdefault(name, []).extend(part)
                    continue
                try:
                    with self._transaction():
                        self._insert(TABLES[name], part, again=again)
                except Exception as error:  # noqa: BLE001 - as in _write_batch
                    if not self._rows_fault(error):
                        stopped = error
                        left.setdefault(name, []).extend(part)
                    elif len(part) > 1:
                        middle = len(part) // 2
                        # The earlier half is taken first: of two rows with one key the first one counts.
                        parts += [part[middle:], part[:middle]]
                    else:
                        # The error's own words may quote the values of the row.
                        refused.append(f"{[part[0].get(column) for column in TABLES[name].key]} ({type(error).__name__})")
            if refused:
                with self._changed:
                    self._lost += len(refused)
                log.error("%d rows of %s were refused and are lost, the first with key %s", len(refused), name, refused[0])
        return left, stopped

    def _fail(self, error: Exception) -> None:
        first = self._failure is None
        kept = self.waiting_rows
        told = f"{self.name} cannot be written: {self._told(error)}. {self._mend(error)}"
        self._failure = f"{told} {kept} rows wait in memory, {self._lost} are lost."
        if first:
            log.error("%s", self._failure)
            if self._on_failure:
                try:
                    self._on_failure(self._failure)
                except Exception:
                    log.exception("whoever is told of the store's failure has failed")
