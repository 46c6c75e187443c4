"""The tiny checkpoint, loaded once for all tests of the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel

from workbench.audio.frames import Pcm
from workbench.audio.wav import load_wav
from workbench.gateway.checkpoint import Checkpoint, open_checkpoint
from workbench.gateway.model import Model
from workbench.gateway.voices import find_voices, unpack_voices

CPU = torch.device("cpu")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder() -> Path:
    return Path(__file__).parents[1] / "data" / "personaplex"


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Checkpoint:
    return open_checkpoint(tiny_folder)


@pytest.fixture(scope="session")
def cases(tiny_folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tiny_folder / "expected" / "cases.json").read_text())
    return found


@pytest.fixture(scope="session")
def voice_files(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The four voices of the archive and of the folder, by file name."""
    unpacked = unpack_voices(tiny_folder / "voices.tgz", tmp_path_factory.mktemp("voices"))
    return {**find_voices(tiny_folder / "voices"), **find_voices(unpacked)}


@pytest.fixture(scope="session")
def lm_f32(tiny: Checkpoint) -> LMModel:
    """Not streaming; whoever streams it stops it again."""
    return tiny.load_lm(CPU, torch.float32)


@pytest.fixture(scope="session")
def voice_mimi(tiny: Checkpoint) -> MimiModel:
    return tiny.load_mimi(CPU)


@pytest.fixture(scope="session")
def initial() -> torch.Tensor:
    """What stands before a stream begins, in the tiny model."""
    return torch.tensor([448, *[2048] * 16])


@pytest.fixture(scope="session")
def voice_folder(voice_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four voices, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("all_voices")
    for name, path in voice_files.items():
        (folder / name).symlink_to(path)
    (folder / "BROKEN.pt").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def model(tiny: Checkpoint, voice_folder: Path) -> Iterator[Model]:
    """Three rows in float32."""
    made = Model(tiny, rows=3, device=CPU, dtype=torch.float32, voices=voice_folder)
    yield made
    made.close()


@pytest.fixture(scope="session")
def user(tiny_folder: Path) -> Pcm:
    pcm = load_wav(tiny_folder / "inputs" / "user.flac")
    return np.pad(pcm, (0, -len(pcm) % 1920)).reshape(-1, 1920)
