"""This machine: its Python, its disk, its ports."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile

import httpx

from workbench.commands.checks.finding import NETWORK_TIMEOUT_S, Finding
from workbench.settings import Settings, cores

NEEDED_BYTES = 1 << 30
"""Free space below which a warning is due: about 12 h of recordings."""
GATEWAY_PORT = 8998
"""What `workbench gateway` listens on unless told otherwise."""


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


async def ports(settings: Settings) -> list[Finding]:
    """Of the workbench, and of a gateway that is started by hand. WebRTC takes UDP ports of the system's choice."""
    return [
        await _port("port", settings.host, settings.port, "workbench serve"),
        await _port("gateway port", "127.0.0.1", GATEWAY_PORT, "workbench gateway"),
    ]


async def _port(name: str, host: str, number: int, command: str) -> Finding:
    where = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, number))
        except OSError as error:
            told = f"{where} cannot be listened on: {error.strerror}.{await _who(where)}"
            return Finding(name, "warning", told, f"{command} --port {_free_port()}")
    return Finding(name, "ok", f"{where} is free for `{command}`.")


async def _who(where: str) -> str:
    """What answers there, if it is one of ours."""
    try:
        async with httpx.AsyncClient(timeout=NETWORK_TIMEOUT_S) as client:
            told = (await client.get(f"http://{where}/health")).json()
        if told.get("service") == "personaplex-workbench":
            return f" A workbench runs there, {told.get('status')}."
        return f" A gateway runs there, {told.get('status')}." if "slots" in told else ""
    except (httpx.HTTPError, ValueError, AttributeError):
        return ""


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    return number
