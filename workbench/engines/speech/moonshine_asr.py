"""Moonshine: streaming recognition on the CPU, from the `moonshine-voice` wheel.

Written against the API of moonshine-voice 0.1.5 and tested with a fake of its `Transcriber`. Not run with real weights, so neither
the word error rate nor the latency was measured here, nor how many talks a core holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch
from moonshine_voice.transcriber import Transcriber

from workbench.audio.frames import LISTEN_RATE, Pcm
from workbench.engines.speech.base import SpeechError, Transcript

T = TypeVar("T")
Load = Callable[[Path, ModelArch], Any]
"""Gives something with the methods of `moonshine_voice.Transcriber`."""

UPDATE_INTERVAL_S = 0.3
"""Sound between two guesses, at least; the library waits longer when a guess costs more than that."""


def _load(folder: Path, arch: ModelArch) -> Transcriber:
    # Each guess would otherwise carry the whole sound back as a Python list.
    return Transcriber(folder, arch, update_interval=UPDATE_INTERVAL_S, options={"return_audio_data": "false"})


class MoonshineSession:
    """Implements `AsrSession`: one stream of the shared transcriber per utterance."""

    def __init__(self, shared: MoonshineAsr) -> None:
        self.restarts = 0
        self.partial = ""
        self._shared = shared
        self._stream: Any = None
        self._lines: dict[int, str] = {}
        self._fault: Exception | None = None

    async def feed(self, pcm_16k: Pcm) -> None:
        """Returns when the library has taken it, and has made its next guess if one was due. Raises SpeechError; the utterance is lost."""
        await self._run(self._feed, pcm_16k)
        self.partial = self._text()

    async def finish(self) -> Transcript:
        """Raises SpeechError; the utterance is lost then."""
        asked_s = time.perf_counter()
        try:
            await self._run(self._finish)
            return Transcript(self._text(), (time.perf_counter() - asked_s) * 1_000)
        finally:
            self.partial = ""

    async def close(self) -> None:
        await self._run(self._drop)

    async def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            await self._shared.run(work, *arguments)
        except MoonshineError as fault:
            await self._shared.run(self._drop)
            raise SpeechError(f"the recogniser moonshine failed ({fault}); say it once more, or type it") from fault

    def _feed(self, pcm_16k: Pcm) -> None:
        if self._stream is None:
            self._lines.clear()
            self._stream = self._shared.transcriber.create_stream()
            self._stream.add_listener(self._on_event)
            self._stream.start()
        self._stream.add_audio(pcm_16k.tolist(), LISTEN_RATE)

    def _finish(self) -> None:
        if self._stream is None:
            self._lines.clear()
            return
        # `stop` hands its errors to the listener instead of raising them.
        self._stream.stop()
        fault = self._fault
        self._drop()
        if fault is not None:
            raise MoonshineError(str(fault))

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        self._fault = None
        if stream is not None:
            stream.close()

    def _on_event(self, event: Any) -> None:
        if event.line is None:
            self._fault = event.error
        else:
            self._lines[event.line.line_id] = event.line.text

    def _text(self) -> str:
        return " ".join(text.strip() for text in self._lines.values() if text.strip())


class MoonshineAsr:
    """Implements `Asr`. One transcriber for all talks, in a thread of its own: the library releases Python's lock while it works, but
    what a call returns is only valid until the next call of any thread."""

    name = "moonshine"

    def __init__(self, folder: Path, arch: ModelArch, why: str, *, load: Load = _load) -> None:
        """Raises SpeechError when the model in `folder` cannot be loaded."""
        self.why = why
        try:
            self.transcriber = load(folder, arch)
        except (MoonshineError, OSError) as fault:
            raise SpeechError(
                f"its model in {folder} cannot be loaded ({fault}); delete that folder so that it is fetched again"
            ) from fault
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="moonshine")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Calls `work` in the transcriber's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def open(self, phrases: Sequence[str] = ()) -> MoonshineSession:
        """`phrases` are not needed: it has no closed grammar, and its dictation is good enough for commands."""
        return MoonshineSession(self)

    async def close(self) -> None:
        await self.run(self.transcriber.close)
        self._thread.shutdown(wait=False)
