"""This machine: its Python, its disk, its ports."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile

from workbench.commands.checks.finding import Finding
from workbench.settings import Settings, cores

NEEDED_BYTES = 1 << 30
"""Free space below which a warning is due: about 12 h of recordings."""


async def python(_settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", f"Python {version} on {cores()} cores.")
    return Finding("python", "error", f"Python {version}; 3.11 to 3.13 are supported.", "uv python install 3.12 && uv sync --python 3.12")


async def disk(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as trial:
            trial.write(bytes(4096))
            trial.flush()
            os.fsync(trial.fileno())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding("disk", "error", f"{existing} cannot be written: {error.strerror}.", "workbench serve --data-dir ~/workbench")
    if free < NEEDED_BYTES:
        return Finding("disk", "warning", f"{free / 1e9:.1f} GB free in {existing}.", "workbench serve --no-recording")
    return Finding("disk", "ok", f"{free / 1e9:.0f} GB free in {existing}, and it can be written.")


async def port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            free = f"workbench serve --port {_free_port(settings)}"
            return Finding("port", "warning", f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.", free)
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free.")


def _free_port(settings: Settings) -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    return number
