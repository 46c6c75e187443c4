"""The embedded recogniser: pocketsphinx, one process per session."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

from workbench.audio.frames import LISTEN_RATE, Pcm, to_int16
from workbench.engines.speech.asr_pipe import HEADER, Kind, pack, unpack_header
from workbench.engines.speech.base import SpeechError, Transcript

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
"""To load the models; 0.5 s on a quiet core."""
ANSWER_TIMEOUT_S = 10.0
"""For one chunk or the end of an utterance; 9 ms and 35 ms on a quiet core."""
CLOSE_TIMEOUT_S = 2.0
REPLAY_S = 30.0
"""How much of the current utterance is kept for a worker that must be started again."""
CHUNK_S = 60.0
"""A longer chunk is sent in parts."""


class _WorkerLost(Exception):
    """The process died, hung or lost step; the sentence says which."""


class _Worker:
    """One life of the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        # Both are pipes: `start` asked for them.
        self._input = cast(asyncio.StreamWriter, process.stdin)
        self._output = cast(asyncio.StreamReader, process.stdout)
        self.left_out: dict[str, str] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, phrases: Sequence[str]) -> _Worker:
        """Raises _WorkerLost, also when the models cannot be loaded."""
        worker = cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "workbench.engines.speech.pocketsphinx_worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # Ctrl-C in the server's terminal is the server's to answer; the worker ends when its input does.
                start_new_session=True,
            )
        )
        try:
            answer = await worker.ask(Kind.OPEN, json.dumps({"phrases": list(phrases)}).encode(), START_TIMEOUT_S)
        except BaseException:
            await worker.close()
            raise
        worker.left_out = json.loads(answer)["left_out"]
        return worker

    async def ask(self, kind: Kind, payload: bytes, timeout_s: float) -> bytes:
        """One request and its answer. After _WorkerLost, and after being cancelled, the process is gone."""
        answered = False
        try:
            async with asyncio.timeout(timeout_s):
                self._input.write(pack(kind, payload))
                await self._input.drain()
                answer, length = unpack_header(await self._output.readexactly(HEADER.size))
                content = await self._output.readexactly(length)
            if answer is not kind:
                raise _WorkerLost(f"it failed ({content.decode(errors='replace')})")
            answered = True
        except TimeoutError as fault:
            raise _WorkerLost(f"it gave no answer for {timeout_s:g} s") from fault
        except (ConnectionError, asyncio.IncompleteReadError) as fault:
            raise _WorkerLost("it ended unasked") from fault
        except ValueError as fault:
            raise _WorkerLost(f"it lost step ({fault})") from fault
        finally:
            if not answered:
                self.kill()
        return content

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def close(self) -> None:
        """Lets it end by itself, then ends it."""
        self._input.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()


class PocketsphinxSession:
    """Implements `AsrSession`. A worker that dies or hangs is started again, and hears the current utterance once more."""

    def __init__(self, worker: _Worker, phrases: Sequence[str], answer_timeout_s: float) -> None:
        self.restarts = 0
        self.partial = ""
        self.left_out = worker.left_out
        """Phrases that the closed grammar cannot listen for, and why."""
        self._worker: _Worker | None = worker
        self._phrases = phrases
        self._answer_timeout_s = answer_timeout_s
        self._utterance: deque[bytes] = deque()
        self._kept = 0
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, None between two lives."""
        return self._worker.pid if self._worker else None

    async def feed(self, pcm_16k: Pcm) -> None:
        """Returns when the worker has heard it. Raises SpeechError when a worker that was started again fails as well."""
        async with self._turn:
            size = int(CHUNK_S * LISTEN_RATE)
            for first in range(0, len(pcm_16k), size):
                sound = to_int16(pcm_16k[first : first + size]).tobytes()
                self.partial = (await self._ask(Kind.AUDIO, sound)).decode()
                self._keep(sound)

    async def finish(self) -> Transcript:
        """Raises SpeechError when a worker that was started again fails as well; the utterance is lost then."""
        async with self._turn:
            asked_s = time.perf_counter()
            try:
                answer = json.loads(await self._ask(Kind.FINISH, b""))
            finally:
                self._utterance.clear()
                self._kept = 0
                self.partial = ""
            return Transcript(answer["text"], (time.perf_counter() - asked_s) * 1_000, answer["command"])

    async def close(self) -> None:
        async with self._turn:
            self._closed = True
            await self._bury()

    def _keep(self, sound: bytes) -> None:
        self._utterance.append(sound)
        self._kept += len(sound)
        while self._kept > REPLAY_S * LISTEN_RATE * 2 and len(self._utterance) > 1:
            self._kept -= len(self._utterance.popleft())

    async def _ask(self, kind: Kind, payload: bytes) -> bytes:
        if self._closed:
            raise SpeechError("this recogniser session is closed; open another")
        if self._worker is not None:
            try:
                return await self._worker.ask(kind, payload, self._answer_timeout_s)
            except _WorkerLost as fault:
                log.warning("the pocketsphinx worker is started again: %s", fault)
                await self._bury()
        self.restarts += 1
        try:
            self._worker = await _Worker.start(self._phrases)
            for sound in self._utterance:
                await self._worker.ask(Kind.AUDIO, sound, self._answer_timeout_s)
            return await self._worker.ask(kind, payload, self._answer_timeout_s)
        except _WorkerLost as fault:
            await self._bury()
            raise SpeechError(f"the recogniser pocketsphinx was started again and {fault}; say it once more, or type it") from fault

    async def _bury(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()


class PocketsphinxAsr:
    """Implements `Asr` with the model that ships in the pocketsphinx wheel: no download, no GPU, and honest about its ears."""

    name = "pocketsphinx"

    def __init__(self, why: str = "It was asked for by name.", *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self.why = why
        self._answer_timeout_s = answer_timeout_s

    async def open(self, phrases: Sequence[str] = ()) -> PocketsphinxSession:
        try:
            worker = await _Worker.start(phrases)
        except (_WorkerLost, OSError) as fault:
            raise SpeechError(f"the recogniser pocketsphinx does not start: {fault}; run `uv sync` and look at what it printed") from fault
        if worker.left_out:
            log.info("%d phrases cannot be listened for: %s", len(worker.left_out), worker.left_out)
        return PocketsphinxSession(worker, phrases, self._answer_timeout_s)

    async def close(self) -> None:
        """Sessions close themselves."""
