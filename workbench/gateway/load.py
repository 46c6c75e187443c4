"""From what a user names (a folder or a Hub repository, a device) to a loaded model."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Literal

import torch

from workbench.gateway.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from workbench.gateway.hub import fetch_checkpoint
from workbench.gateway.model import Model
from workbench.gateway.modes import PLAIN, MemoryMode
from workbench.gateway.voices import find_voices, unpack_voices

Dtype = Literal["bfloat16", "float32"]


def find_checkpoint(source: str, *, revision: str = "main", token: str | None = None) -> Checkpoint:
    """Opens a folder, or downloads a repository `owner/name`. Raises CheckpointError."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return open_checkpoint(folder)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", source) and not source.startswith("."):
        return fetch_checkpoint(source, revision=revision, token=token)
    raise CheckpointError(f"{source}: neither a folder nor a repository like nvidia/personaplex-7b-v1; check the spelling")


def load_model(
    checkpoint: Checkpoint,
    *,
    device: str,
    rows: int = 1,
    dtype: Dtype | None = None,
    voices: Path | None = None,
    more_voices: Path | None = None,
    parity: bool = False,
    mode: MemoryMode = PLAIN,
) -> Model:
    """Loads weights and voices. `dtype`: bfloat16 on CUDA and float32 on a CPU unless given. `voices`: a folder; else the
    checkpoint's own `voices.tgz` or `voices/`. `more_voices`: a folder whose voices come beside those, where it is there. Raises
    CheckpointError or VoiceError."""
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise CheckpointError("no CUDA device can be used; check the driver with nvidia-smi, or take --device cpu")
    if rows < 1:
        raise CheckpointError(f"{rows} slots serve nobody; give at least 1")
    kind = getattr(torch, dtype) if dtype else torch.bfloat16 if place.type == "cuda" else torch.float32
    with tempfile.TemporaryDirectory(prefix="gateway-voices-") as scratch:
        folder = voices or _own_voices(checkpoint.folder, Path(scratch))
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no voices there; give a folder of voices, or put voices.tgz beside the checkpoint")
        if more_voices is not None and more_voices.is_dir():
            folder = _together(folder, more_voices, Path(scratch) / "together")
        return Model(checkpoint, rows=rows, device=place, dtype=kind, voices=folder, parity=parity, mode=mode)


def _together(own: Path, more: Path, folder: Path) -> Path:
    """`folder` with links to the voices of both; the checkpoint's own win."""
    folder.mkdir()
    for name, path in {**find_voices(more), **find_voices(own)}.items():
        (folder / name).symlink_to(path.resolve())
    return folder


def _own_voices(folder: Path, scratch: Path) -> Path:
    archive = folder / "voices.tgz"
    return unpack_voices(archive, scratch) if archive.is_file() else folder / "voices"
