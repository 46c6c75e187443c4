from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from deaf_asr import DeafAsr
from fastapi import FastAPI

from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.assembly import Workbench, assemble
from workbench.settings import Settings
from workbench.testing.tts import ToneTts


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    return Settings(_env_file=None, data_dir=tmp_path / "var", test_engines=True, turn_fixed_hold_ms=500.0)


@pytest.fixture
def voices() -> list[ToneTts]:
    """The first is the one that speaks."""
    return [ToneTts(voices=("slt", "rms"))]


@pytest.fixture
async def bench(settings: Settings, voices: list[ToneTts]) -> AsyncIterator[Workbench]:
    """A workbench with a real store, the real tools, and fakes that hear and speak."""
    made = await assemble(settings, recogniser=DeafAsr(), synthesisers=voices)
    yield made
    await made.close()


@pytest.fixture
def app(bench: Workbench) -> FastAPI:
    return create_app(bench)


@pytest.fixture
def context(app: FastAPI) -> Context:
    found: Context = app.state.context
    return found


@pytest.fixture
async def client(app: FastAPI, context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """An exception that no handler knows is raised in the test, not answered with 500."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as made:
        yield made
    await context.text_talks.close()
