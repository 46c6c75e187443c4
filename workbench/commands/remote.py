"""What a command asks of a running server, which holds the store."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from workbench.commands.common import CommandError, load_settings

CONNECT_S = 10.0


@contextmanager
def _answer(url: str, path: str, body: Mapping[str, Any] | None, method: str = "POST") -> Iterator[httpx.Response]:
    """The server's answer, as long as it takes. Raises CommandError with what the server says, or why it cannot be reached."""
    timeout = httpx.Timeout(None, connect=CONNECT_S)
    try:
        with httpx.stream(method, f"{url.rstrip('/')}{path}", json=body, timeout=timeout, headers=_bearer()) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise CommandError(f"The server at {url} refused: {_reason(answer)}")
            yield answer
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(f"The server at {url} cannot be reached ({error}). Look whether it runs, and write http://HOST:PORT.") from error


def _bearer() -> dict[str, str]:
    secret = secret_for_servers()
    return {"Authorization": f"Bearer {secret}"} if secret is not None else {}


def secret_for_servers() -> str | None:
    """The token of the settings, else the password; None without either."""
    settings = load_settings()
    secret = settings.token or settings.password
    return secret.get_secret_value() if secret is not None else None


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def ask(url: str, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST") -> dict[str, Any]:
    """Sends `body` and gives the JSON that comes back. Raises CommandError."""
    with _answer(url, path, body, method) as answer:
        answer.read()
        found: dict[str, Any] = answer.json()
        return found


def fetch_folder(url: str, path: str, body: Mapping[str, Any], folder: Path) -> None:
    """Posts `body` and unpacks the tar archive that comes back as `folder`, which takes its place once it is whole. Raises CommandError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.part-") as scratch:
            archive, unpacked = Path(scratch) / "export.tar", Path(scratch) / "export"
            with _answer(url, path, body) as answer, archive.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
            if folder.exists():
                shutil.rmtree(folder)
            unpacked.rename(folder)
    except (OSError, tarfile.TarError) as error:
        raise CommandError(f"{folder} cannot be written: {error}. Choose a folder that can be made and has room.") from error
