"""A Space on its way to the Hub: what would be uploaded, what must not be, and the upload."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workbench.space.errors import SpaceError
from workbench.store.hub import check_repo

SECRET_NAMES = re.compile(
    r"\.env(\..*)?|\.netrc|\.git|id_(rsa|dsa|ecdsa|ed25519)|credentials(\.json)?|.*\.(pem|key|p12|pfx|duckdb|wal)", re.IGNORECASE
)
"""Files that hold secrets or somebody's talks."""
SECRET_WORDS = re.compile(
    rb"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{32,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]"
)
SHORTEST_SECRET = 8


class SpaceApi(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, repo_type: str, space_sdk: str, private: bool, exist_ok: bool) -> Any: ...

    def upload_folder(self, *, repo_id: str, folder_path: str, repo_type: str, commit_message: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """One file: its path in the Space, and its bytes."""

    path: str
    size: int


def listed(folder: Path, secrets: Collection[str] = ()) -> Sequence[Upload]:
    """What would be uploaded. `secrets`: values that must be in no file; they are not told.

    Raises SpaceError: the folder is no Space, or something in it looks like a secret.
    """
    if not (folder / "Dockerfile").is_file() or not (folder / "README.md").is_file():
        raise SpaceError(f"{folder} is no Space. Make one with: workbench space build {folder}")
    kept = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if any(SECRET_NAMES.fullmatch(part) for part in name.parts):
            raise SpaceError(f"{name} must not be published. Take it out of {folder}.")
        if path.is_symlink():
            raise SpaceError(f"{name} is a link; what it leads to might not be meant for the world. Take it out of {folder}.")
        if path.is_file():
            held = path.read_bytes()
            if SECRET_WORDS.search(held) or any(secret in held for secret in kept):
                raise SpaceError(f"{name} holds what looks like a secret. Take it out: everybody could read it in the Space.")
            found.append(Upload(str(name), len(held)))
    return found


def push(folder: Path, repo_id: str, api: SpaceApi, *, private: bool = True) -> str:
    """Makes the Space where there is none, and uploads the folder. Gives its address.

    Raises StoreError for a name that cannot be one, SpaceError with the Hub's own words when it refuses.
    """
    check_repo(repo_id)
    try:
        api.create_repo(repo_id, repo_type="space", space_sdk="docker", private=private, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=str(folder), repo_type="space", commit_message="PersonaPlex Workbench")
    except Exception as error:
        raise SpaceError(f"the Hub refused {repo_id}: {error}. Check HF_TOKEN (it must be allowed to write) and the name.") from error
    return f"https://huggingface.co/spaces/{repo_id}"
