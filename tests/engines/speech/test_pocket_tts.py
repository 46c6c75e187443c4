"""pocket-tts at its seams: the weights are not in the repository, so a stand-in model speaks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from numpy.typing import NDArray

from workbench.engines.speech import pocket_tts_engine
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.pocket_tts_engine import HubFile, PocketTts, Weights, fetch_weights, find_weights
from workbench.engines.speech.pocket_tts_worker import PocketVoice
from workbench.engines.speech.voice_pipe import Kind, pack, read_message, serve

FRAME = np.full(1_920, 0.5, dtype=np.float32)


class Tensor:
    def numpy(self) -> NDArray[np.float32]:
        return FRAME


class FakeModel:
    """Speaks a frame per letter, as `TTSModel.generate_audio_stream` would; notes what it was given."""

    sample_rate = 24_000

    def __init__(self) -> None:
        self.states: list[str] = []
        self.ended = 0
        self.frames = 0

    def get_state_for_audio_prompt(self, audio_conditioning: str) -> str:
        self.states.append(audio_conditioning)
        return f"state of {audio_conditioning}"

    def generate_audio_stream(self, model_state: str, text_to_generate: str, *, stop: threading.Event) -> Iterator[Tensor]:
        assert model_state.startswith("state of ")
        for letter in text_to_generate:
            if stop.is_set():
                break
            if letter == "!":
                raise RuntimeError("the model broke")
            self.frames += 1
            yield Tensor()
        self.ended += 1


def test_the_worker_speaks_and_tells_what_breaks() -> None:
    model = FakeModel()
    voice = PocketVoice(model)
    orders = [(1, '{"text": "abc", "voice": "alba"}'), (2, '{"text": "a!", "voice": "alba"}'), (3, '{"text": "d", "voice": "paul"}')]
    answers: list[tuple[int, Kind, bytes]] = []
    with contextlib.ExitStack() as files:
        (orders_in, orders_out), (answers_in, answers_out) = (
            (files.enter_context(os.fdopen(read, "rb")), files.enter_context(os.fdopen(write, "wb", buffering=0)))
            for read, write in (os.pipe(), os.pipe())
        )
        thread = threading.Thread(target=serve, args=(voice.rate, voice.speak, (orders_in, answers_out)))
        thread.start()
        for request, order in orders:
            orders_out.write(pack(request, Kind.SAY, order.encode()))
        while not answers or answers[-1][:2] != (3, Kind.END):
            message = read_message(answers_in)
            assert message is not None
            answers.append(message)
        orders_out.close()
        thread.join()
    assert [(request, kind) for request, kind, _payload in answers] == [
        (0, Kind.READY),
        *[(1, Kind.SOUND)] * 3,
        (1, Kind.END),
        (2, Kind.SOUND),
        (2, Kind.ERROR),
        (3, Kind.SOUND),
        (3, Kind.END),
    ]
    assert np.array_equal(np.frombuffer(answers[1][2], dtype="<i2"), np.full(1_920, 16_384))
    assert answers[6][2] == b"the model broke"
    assert model.states == ["alba", "paul"]


def test_a_barge_in_sets_the_models_stop_and_waits_for_its_end() -> None:
    model = FakeModel()
    pieces: list[bytes] = []

    def emit(sound: bytes) -> bool:
        pieces.append(sound)
        return len(pieces) < 2

    PocketVoice(model).speak("a long text that is cut off", "alba", emit)
    assert len(pieces) == 2
    assert model.frames == 2
    assert model.ended == 1


def test_addresses() -> None:
    file = HubFile.from_address("hf://kyutai/pocket-tts/languages/english/model.safetensors@abc")
    assert file == HubFile("kyutai/pocket-tts", "languages/english/model.safetensors", "abc")
    with pytest.raises(ValueError, match="no hf:// address"):
        HubFile.from_address("https://example.com/x")


def test_the_installed_package_is_understood_without_importing_it() -> None:
    if importlib.util.find_spec("pocket_tts") is None:
        pytest.skip("the extra `speech` (pocket-tts) is not installed")
    weights = find_weights()
    assert weights.model.repository == "kyutai/pocket-tts-without-voice-cloning"
    assert weights.voice("alba").path == "languages/english/embeddings/alba.safetensors"
    assert "pocket_tts" not in sys.modules


def test_a_missing_package_is_an_error_with_its_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket_tts_engine, "find_spec", lambda _name: None)
    with pytest.raises(SpeechError, match="uv sync --extra speech"):
        find_weights()


def test_weights_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = {"model.bin", "tokenizer.json", "languages/english/embeddings/charles.safetensors"}
    monkeypatch.setattr(
        pocket_tts_engine, "try_to_load_from_cache", lambda _repo, path, revision: str(tmp_path / path) if path in here else None
    )
    file = HubFile("a/b", "model.bin", "1")
    weights = Weights(model=file, gated_model=HubFile("a/gated", "other.bin", "1"), tokenizer=HubFile("a/b", "tokenizer.json", "1"))
    assert weights.voices == ("charles",)
    assert weights.cached
    here.remove("tokenizer.json")
    assert not weights.cached


async def test_fetching_without_a_network_gives_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = HubFile("nobody/nothing", "none.bin", "0" * 40)
    weights = Weights(nowhere, nowhere, nowhere)
    monkeypatch.setattr(pocket_tts_engine, "hf_hub_url", lambda *_args, **_kwargs: "http://127.0.0.1:9/none.bin")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(SpeechError, match="could not be fetched"):
        await fetch_weights(weights, print)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SpeechError, match="HF_HUB_OFFLINE"):
        await fetch_weights(weights, print)


async def test_the_worker_never_asks_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    tts = PocketTts(("charles",))
    assert tts.voices == ("charles",)
    assert tts._environment is not None
    assert tts._environment["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(SpeechError, match="no voice 'alba'"):
        await anext(tts.stream("Hello", "alba"))
