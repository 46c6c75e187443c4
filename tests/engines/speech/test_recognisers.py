import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from moonshine_voice.download import find_model_info, get_components_for_model_info

from workbench.engines.speech import moonshine_model, recognisers
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.moonshine_model import SMALL, TINY, Model, fetch, preferred
from workbench.engines.speech.recognisers import choose_recogniser


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOONSHINE_VOICE_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def fill(model: Model, *, but: int = 0) -> None:
    model.folder.mkdir(parents=True)
    files = get_components_for_model_info(find_model_info("en", model.arch))
    for file in files[: len(files) - but]:
        (model.folder / file).write_bytes(b"x")


def server(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route to host", request=request)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


async def test_offline_it_is_pocketsphinx_with_its_reason_and_its_error_rate(offline: None) -> None:
    asr = await choose_recogniser()
    assert asr.name == "pocketsphinx"
    assert "HF_HUB_OFFLINE forbids fetching it" in asr.why
    assert "word error rate is about 40 %" in asr.why


async def test_asked_for_by_name_it_is_that_one_or_an_error(offline: None) -> None:
    assert (await choose_recogniser("pocketsphinx")).why.startswith("Pocketsphinx was asked for by name")
    with pytest.raises(SpeechError, match=r"moonshine was asked for and cannot be used: .*; unset it"):
        await choose_recogniser("moonshine")
    with pytest.raises(SpeechError, match="no recogniser 'whisper'; take auto or one of: moonshine, pocketsphinx"):
        await choose_recogniser("whisper")


async def test_a_cached_model_is_taken_without_a_question(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(TINY)
    loaded: list[Any] = []

    class Loaded:
        name = "moonshine"

        def __init__(self, folder: Path, arch: object, why: str) -> None:
            self.why = why
            loaded.append((folder, arch))

    monkeypatch.setattr(recognisers, "MoonshineAsr", Loaded)
    asr = await choose_recogniser()
    assert loaded == [(TINY.folder, TINY.arch)]
    assert "tiny-streaming-en was in the cache; published word error rate 12 %, not measured here" in asr.why


async def test_a_model_that_does_not_load_is_passed_over_with_its_reason(offline: None) -> None:
    fill(TINY)
    asr = await choose_recogniser()
    assert asr.name == "pocketsphinx"
    assert "cannot be loaded" in asr.why
    with pytest.raises(SpeechError, match="delete that folder"):
        await choose_recogniser("moonshine")


def test_the_better_cached_model_is_preferred_and_half_a_model_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moonshine_model.os, "cpu_count", lambda: 2)
    assert preferred() is TINY
    fill(SMALL, but=1)
    assert preferred() is TINY
    monkeypatch.setattr(moonshine_model.os, "cpu_count", lambda: 8)
    assert preferred() is SMALL
    monkeypatch.setattr(moonshine_model.os, "cpu_count", lambda: None)
    fill(TINY)
    assert preferred() is TINY


async def test_a_server_that_cannot_be_reached_or_refuses_is_named() -> None:
    with pytest.raises(SpeechError, match=r"download\.moonshine\.ai, .* cannot be reached \(no route to host\)"):
        await fetch(SMALL, print, server(unreachable))
    with pytest.raises(SpeechError, match="answers 403 for its model"):
        await fetch(SMALL, print, server(lambda _request: httpx.Response(403)))


async def test_a_silent_server_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moonshine_model, "PROBE_TIMEOUT_S", 0.05)

    async def silent(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(SpeechError, match=r"did not answer within 0\.05 s"):
        await fetch(SMALL, print, httpx.MockTransport(silent))


async def test_a_download_tells_how_far_it_is_and_what_stopped_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    fault: list[Exception] = []

    def download(info: dict[str, Any], on_progress: Callable[[float, str], None]) -> None:
        assert info["download_url"].endswith(SMALL.folder.name)
        on_progress(0.5, "encoder.ort")
        if fault:
            raise fault[0]

    monkeypatch.setattr(moonshine_model, "download_model_from_info", download)
    found = server(lambda _request: httpx.Response(200))
    await fetch(SMALL, told.append, found)
    await asyncio.sleep(0)
    assert told == ["fetching moonshine small-streaming-en (142 MB): 50%, encoder.ort"]
    fault.append(ValueError("Size mismatch for encoder.ort"))
    with pytest.raises(SpeechError, match=r"failed \(Size mismatch .*start again, it resumes"):
        await fetch(SMALL, told.append, found)
