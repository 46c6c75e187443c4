"""Moonshine's English models: which one, whether it is here, and fetching it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from moonshine_voice.download import download_model_from_info, find_model_info, get_components_for_model_info
from moonshine_voice.download_file import get_cache_dir
from moonshine_voice.moonshine_api import ModelArch

from workbench.engines.speech.base import SpeechError

PROBE_TIMEOUT_S = 3.0
"""For the one question whether the model's server answers."""
CORES_FOR_SMALL = 4


@dataclass(frozen=True, slots=True)
class Model:
    """One of the published streaming models. Figures are the publisher's, not measured here."""

    name: str
    arch: ModelArch
    megabytes: int
    word_error_rate: float
    """Per cent, mean of the Open ASR leaderboard's sets."""

    @property
    def folder(self) -> Path:
        """Where the package keeps it."""
        address: str = find_model_info("en", self.arch)["download_url"]
        return Path(get_cache_dir()) / address.removeprefix("https://")

    @property
    def cached(self) -> bool:
        """Every file of it is there. A download that was cut off leaves the last ones out."""
        files = get_components_for_model_info(find_model_info("en", self.arch))
        return all((self.folder / file).is_file() for file in files)


SMALL = Model("small-streaming-en", ModelArch.SMALL_STREAMING, 142, 7.84)
TINY = Model("tiny-streaming-en", ModelArch.TINY_STREAMING, 45, 12.0)


def preferred() -> Model:
    """The better one that is cached, else the one that this machine's cores can run in real time."""
    for model in (SMALL, TINY):
        if model.cached:
            return model
    return SMALL if (os.cpu_count() or 1) >= CORES_FOR_SMALL else TINY


async def fetch(model: Model, report: Callable[[str], None], transport: httpx.AsyncBaseTransport | None = None) -> None:
    """Brings the model into the cache; returns at once when it is there. `report` is called on the event loop.

    Raises SpeechError when it is forbidden (HF_HUB_OFFLINE), when the server does not answer within 3 s, or when the download fails.
    """
    if model.cached:
        return
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no"):
        raise SpeechError(f"its model {model.name} is not in the cache and HF_HUB_OFFLINE forbids fetching it; unset it")
    info = find_model_info("en", model.arch)
    await _answers(info["download_url"], transport)
    loop = asyncio.get_running_loop()

    def progress(fraction: float, file: str) -> None:
        loop.call_soon_threadsafe(report, f"fetching moonshine {model.name} ({model.megabytes} MB): {fraction:.0%}, {file}")

    try:
        await asyncio.to_thread(download_model_from_info, info, on_progress=progress)
    except (OSError, ValueError) as fault:
        raise SpeechError(f"fetching its model {model.name} failed ({fault}); look at the network and start again, it resumes") from fault


async def _answers(address: str, transport: httpx.AsyncBaseTransport | None) -> None:
    host = httpx.URL(address).host
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S), httpx.AsyncClient(transport=transport) as client:
            answer = await client.head(f"{address}/streaming_config.json")
    except TimeoutError as fault:
        raise SpeechError(f"{host}, which has its model, did not answer within {PROBE_TIMEOUT_S:g} s; look at the network") from fault
    except httpx.HTTPError as fault:
        reason = str(fault) or type(fault).__name__
        raise SpeechError(f"{host}, which has its model, cannot be reached ({reason}); look at the network") from fault
    if answer.is_error:
        raise SpeechError(f"{host} answers {answer.status_code} for its model; try a newer moonshine-voice")
