"""Cookies and talk tickets are not kept: they say what they are, sealed with a key that outlives the process."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from workbench.assembly import AssemblyError
from workbench.settings import Settings

KEY_FILE = "session.key"
KEY_BYTES = 32
Purpose = Literal["cookie", "ticket"]


class Seals:
    """Seals texts for a time. `key` is secret; what was sealed for one purpose is nothing for another."""

    def __init__(self, key: bytes, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._wall_clock = wall_clock

    def seal(self, purpose: Purpose, told: str, lasts_s: float) -> str:
        """`told` has no dots. The result is letters, digits, dots, hyphens and underscores."""
        sealed = f"{told}.{int(self._wall_clock() + lasts_s)}"
        return f"{sealed}.{self._of(purpose, sealed)}"

    def open(self, purpose: Purpose, text: str) -> str | None:
        """What was told; None for anything that was not sealed here, for this, or is over."""
        sealed, _dot, seal = text.rpartition(".")
        if not hmac.compare_digest(self._of(purpose, sealed).encode(), seal.encode()):
            return None
        told, _dot, until = sealed.rpartition(".")
        return told if int(until) >= self._wall_clock() else None

    def _of(self, purpose: Purpose, sealed: str) -> str:
        digest = hmac.new(self._key, f"{purpose}:{sealed}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def seals_of(settings: Settings) -> Seals:
    """With the key of `session_key`, or of a file in the data folder, which is made when there is none. Another password is another key:
    whoever came in with the old one is out. Raises AssemblyError."""
    key = settings.session_key.get_secret_value().encode() if settings.session_key is not None else _kept_key(settings.data_dir / KEY_FILE)
    if len(key) < KEY_BYTES:
        raise AssemblyError(f"The session key has {len(key)} bytes; give at least {KEY_BYTES}, such as `openssl rand -hex 32` prints.")
    passwords = [secret.get_secret_value() if secret is not None else "" for secret in (settings.password, settings.viewer_password)]
    return Seals(hmac.new(key, "\0".join(passwords).encode(), hashlib.sha256).digest())


def _kept_key(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            part.touch(mode=0o600)
            part.write_bytes(secrets.token_bytes(KEY_BYTES))
            # Whole or not at all, and of several processes that start at once the first one's counts.
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
            part.unlink()
        return path.read_bytes()
    except OSError as error:
        raise AssemblyError(
            f"The session key {path} cannot be kept: {error}. Make the folder writable, or set WORKBENCH_SESSION_KEY."
        ) from error
