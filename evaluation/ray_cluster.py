"""A Ray cluster for one sweep: one that is there, or one of this machine that lives as long as the sweep. Only Ray's core is used.

What is started here listens on loopback with a token of its own, sends no usage statistics, has no dashboard to look at, and is the only
thing that is stopped again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.cell_rows import RunError

REPAIR = "Install the extra: uv sync --extra ray (or pip install 'personaplex-workbench[ray]'), or leave --on out."
OBJECT_STORE_BYTES = 128 * 2**20
"""For cells under way: each brings a few hundred kilobytes."""
STARTS = 3
"""Ray gives up when its parts take longer than 15 s to start, which a busy machine makes them."""
REACH_S = 5.0
PREFIX = "wb-ray-"
LONGEST_BASE = 26
"""Characters of the folder for temporary files in which Ray's own can lie: its sockets are 64 characters below its folder, and the
address of a socket has at most 107."""

OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # Means "a cluster of one machine" on every system, in spite of its name: Ray then listens on loopback.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""Environment of a cluster that is started here."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to one."""

    ray: Any
    """The module."""
    scratch: str | None
    """Where its workers keep files, on the machine of this process; None = each machine's temporary folder."""

    def slots(self) -> int:
        """Cells that it can hold at once, by its processors; more as machines join it."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))


@contextmanager
def cluster(address: str | None, *, processors: int, tell: Callable[[str], None], note: Callable[[Path], None]) -> Iterator[Cluster]:
    """Connects to `address` (`auto`, `host:port` or `ray://host:port`), or starts one on this machine with `processors` where it is None.
    `note` is told the folder that a started one uses, before it does: if this process is killed, it stays behind.

    Raises RunError when Ray is not installed, does not start or does not answer.
    """
    if address is None:
        with _started(processors, tell, note) as started:
            yield started
        return
    with _environment({"RAY_USAGE_STATS_ENABLED": "0"}):
        ray = _module()
        tell(f"Connecting to Ray at {address}.")
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        except Exception as error:
            raise RunError(
                f"No Ray cluster answers at {address} ({_told(error)}). Start one with `ray start --head` on one machine and "
                "`ray start --address HOST:PORT` on the others, all with this workbench installed, or leave --ray-address out."
            ) from error
        try:
            yield Cluster(ray, None)
        finally:
            ray.shutdown()


@contextmanager
def _started(processors: int, tell: Callable[[str], None], note: Callable[[Path], None]) -> Iterator[Cluster]:
    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base if len(base) <= LONGEST_BASE else "/tmp"))
    note(folder)
    try:
        with _environment({**OWN, "RAY_AUTH_TOKEN": secrets.token_hex(32)}):
            ray = _module()
            tell(f"Starting Ray on {processors} of this machine's processors.")
            _start(ray, folder, processors)
            try:
                yield Cluster(ray, str(folder))
            finally:
                ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(ray: Any, folder: Path, processors: int) -> None:
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=processors,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(folder),
            )
            return
        except Exception as error:
            ray.shutdown()
            if not left:
                raise RunError(
                    f"Ray does not start on this machine ({_told(error)}). A machine that is very busy is one reason: try again, or "
                    "leave --on out."
                ) from error


def _reach(address: str) -> None:
    """Raises OSError where nothing listens: Ray itself would try for minutes. What `auto` finds is Ray's to say."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=REACH_S).close()


def _module() -> Any:
    try:
        import ray
    except ImportError as error:
        raise RunError(f"Ray is not installed ({error}). {REPAIR}") from error
    return ray


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Ray reads its settings from there, and what it starts inherits them."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                with contextlib.suppress(KeyError):
                    del os.environ[name]
            else:
                os.environ[name] = value
