"""A Space's start: `python -m workbench.space.start` sets what a Space needs, puts the sample talks into an empty store, and serves."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from workbench.settings import Settings
from workbench.space.texts import PORT
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.take_in import take_in

PERSISTENT = Path("/data")
"""There and writable where the Space has persistent storage."""
PRIVATE_NETWORKS = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
"""The Hub's proxies; nobody else reaches a Space's port."""


def environment(given: Mapping[str, str], *, persistent: Path = PERSISTENT, home: Path | None = None) -> dict[str, str]:
    """`given` with what it leaves open. Without a password there is one that nobody knows: the Talk page is public, the rest never is."""
    host = given.get("SPACE_HOST", "")
    stored = persistent if os.access(persistent, os.W_OK) else (home or Path.home()) / "var"
    chosen = {
        "WORKBENCH_HOST": "0.0.0.0",  # noqa: S104 - only the Hub's proxies reach it
        "WORKBENCH_PORT": str(PORT),
        "WORKBENCH_DATA_DIR": str(stored),
        "WORKBENCH_PUBLIC_TALK": "true",
        "WORKBENCH_ASK_CONSENT": "true",
        "WORKBENCH_PASSWORD": secrets.token_urlsafe(32),
        "WORKBENCH_TRUSTED_PROXIES": PRIVATE_NETWORKS,
        "WORKBENCH_TURN_FROM_HUGGINGFACE": "true" if given.get("HF_TOKEN") else "false",
    }
    if host:
        chosen["WORKBENCH_ALLOWED_ORIGINS"] = f"https://{host}"
    return {**chosen, **{name: value for name, value in given.items() if value}}


def fill(settings: Settings, sample: Path) -> bool:
    """Puts the sample talks into the store when there is none yet. False when there is one. Raises StoreError."""
    database = Path(settings.database)
    if database.exists():
        return False
    database.parent.mkdir(parents=True, exist_ok=True)
    # Under another name until it is whole: a start that is cut off must not leave half a store.
    unfinished = database.with_name("filling.duckdb")
    unfinished.unlink(missing_ok=True)
    store = DuckDbStore(unfinished)
    try:
        take_in(store, [sample], older=True)
    finally:
        store.close()
    settings.audio_dir.mkdir(parents=True, exist_ok=True)
    for sound in (sample / "audio").glob("*.flac"):
        shutil.copyfile(sound, settings.audio_dir / sound.name)
    unfinished.rename(database)
    return True


def main() -> None:
    os.environ.update(environment(os.environ))
    settings = Settings()
    if settings.db is None:
        fill(settings, Path.cwd() / "sample")
    os.execv(sys.executable, [sys.executable, "-m", "workbench", "serve"])  # noqa: S606 - ourselves


if __name__ == "__main__":
    main()
