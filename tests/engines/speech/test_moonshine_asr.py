from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch, TranscriptLine
from moonshine_voice.transcriber import Error as StreamError
from moonshine_voice.transcriber import LineStarted, LineTextChanged, Stream, Transcriber

from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.moonshine_asr import MoonshineAsr

CHUNK = np.zeros(1_280, np.float32)


@dataclass
class FakeStream:
    """Understands one word per chunk, in lines of two words, as events of the package's own classes."""

    said: list[str]
    fails: bool = False
    fed: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    listener: Callable[[Any], None] = lambda _event: None

    def add_listener(self, listener: Callable[[Any], None]) -> None:
        self.listener = listener

    def start(self) -> None:
        self.calls.append("start")

    def add_audio(self, audio_data: list[float], sample_rate: int) -> None:
        assert isinstance(audio_data, list)
        assert sample_rate == 16_000
        if self.fails:
            raise MoonshineError("out of memory")
        self.fed.append(len(audio_data))
        number, second = divmod(len(self.fed) - 1, 2)
        words = self.said[number * 2 : number * 2 + second + 1]
        line = TranscriptLine(text=" ".join(words), start_time=0, duration=0, line_id=number, is_complete=False)
        self.listener((LineTextChanged if second else LineStarted)(line=line, stream_handle=1))

    def stop(self) -> None:
        self.calls.append("stop")
        if self.said[-1] == "fails at the end":
            self.listener(StreamError(error=MoonshineError("lost"), stream_handle=1))

    def close(self) -> None:
        self.calls.append("close")


class FakeTranscriber:
    def __init__(self, streams: list[FakeStream]) -> None:
        self.streams = streams
        self.opened = 0
        self.closed = False

    def create_stream(self) -> FakeStream:
        self.opened += 1
        return self.streams[self.opened - 1]

    def close(self) -> None:
        self.closed = True


def recogniser(*streams: FakeStream) -> tuple[MoonshineAsr, FakeTranscriber]:
    transcriber = FakeTranscriber(list(streams))
    return MoonshineAsr(Path("model"), ModelArch.TINY_STREAMING, "a test", load=lambda _folder, _arch: transcriber), transcriber


def test_the_fake_has_only_what_the_package_has() -> None:
    for fake, real in ((FakeStream, Stream), (FakeTranscriber, Transcriber)):
        public = [name for name, value in vars(fake).items() if callable(value) and not name.startswith("_") and name != "listener"]
        assert all(hasattr(real, name) for name in public)


async def test_each_utterance_is_a_stream_with_guesses_on_the_way() -> None:
    first, second = FakeStream(["go", "forward", "ten"]), FakeStream(["stop"])
    asr, transcriber = recogniser(first, second)
    session = await asr.open(["a phrase"])
    for guess in ("go", "go forward", "go forward ten"):
        await session.feed(CHUNK)
        assert session.partial == guess
    transcript = await session.finish()
    assert transcript.text == "go forward ten"
    assert transcript.command is None
    assert transcript.decode_ms >= 0
    assert (session.partial, first.fed, first.calls) == ("", [1_280] * 3, ["start", "stop", "close"])
    await session.feed(CHUNK)
    assert (await session.finish()).text == "stop"
    assert (await session.finish()).text == ""
    await session.close()
    await asr.close()
    assert transcriber.closed
    assert transcriber.opened == 2


async def test_talks_do_not_hear_each_other() -> None:
    asr, _transcriber = recogniser(FakeStream(["one", "two"]), FakeStream(["three", "four"]))
    left, right = await asr.open(), await asr.open()
    for session in (left, right, left, right):
        await session.feed(CHUNK)
    assert [(await left.finish()).text, (await right.finish()).text] == ["one two", "three four"]
    await asr.close()


async def test_a_failure_is_told_and_the_next_utterance_is_heard() -> None:
    asr, _transcriber = recogniser(FakeStream(["x"], fails=True), FakeStream(["fails at the end"]), FakeStream(["well"]))
    session = await asr.open()
    with pytest.raises(SpeechError, match=r"moonshine failed \(out of memory\); say it once more"):
        await session.feed(CHUNK)
    await session.feed(CHUNK)
    with pytest.raises(SpeechError, match=r"moonshine failed \(lost\)"):
        await session.finish()
    await session.feed(CHUNK)
    assert (await session.finish()).text == "well"
    await asr.close()


async def test_a_session_closed_within_an_utterance_frees_its_stream() -> None:
    stream = FakeStream(["go"])
    asr, _transcriber = recogniser(stream)
    session = await asr.open()
    await session.feed(CHUNK)
    await session.close()
    assert stream.calls == ["start", "close"]
    await asr.close()


def test_the_real_library_refuses_an_empty_folder_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"cannot be loaded .*delete that folder so that it is fetched again"):
        MoonshineAsr(tmp_path, ModelArch.TINY_STREAMING, "a test")
