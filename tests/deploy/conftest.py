from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
"""So that `deploy` is found, which no package ships."""

from servers import clean_environment  # noqa: E402

from deploy.env_example import REQUIRED  # noqa: E402

SECRETS = {name: f"secret{number}secret" for number, name in enumerate(REQUIRED)}


@pytest.fixture
def secrets() -> dict[str, str]:
    """What must be set before anything starts."""
    return dict(SECRETS)


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` of the checkout, no variables of the user's."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
