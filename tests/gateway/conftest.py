"""The tiny checkpoint, loaded once for all tests of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from workbench.gateway.checkpoint import Checkpoint, open_checkpoint

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder() -> Path:
    return Path(__file__).parents[1] / "data" / "personaplex"


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Checkpoint:
    return open_checkpoint(tiny_folder)
