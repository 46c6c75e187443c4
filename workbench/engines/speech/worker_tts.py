"""A synthesiser that lives in a child process: started when it is first needed, kept, and started again when it dies."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

import numpy as np

from workbench.audio.frames import Pcm, from_int16
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.handshake import SpokenHandshake
from workbench.engines.speech.shaping import Shaper
from workbench.engines.speech.spoken_text import clauses, spoken
from workbench.engines.speech.voice_pipe import HEADER, Kind, pack, unpack_header

log = logging.getLogger(__name__)

CLOSE_S = 2.0
"""A child that has not gone this long after its input was closed is killed."""


class WorkerDied(SpeechError):
    """The child process ended or was ended while it was needed."""


class _Child:
    """One life of the process. Messages are sorted by request into `inboxes`; its death puts a None into each."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process
        # Both are pipes: `_spawn` asked for them.
        self._input = cast(asyncio.StreamWriter, process.stdin)
        self._output = cast(asyncio.StreamReader, process.stdout)
        self.inboxes: dict[int, asyncio.Queue[tuple[Kind, bytes] | None]] = {0: asyncio.Queue()}
        self.rate = 0
        self.alive = True
        self._heard_s = 0.0
        self._reader = asyncio.get_running_loop().create_task(self._read(), name=f"{name} worker")

    async def _read(self) -> None:
        try:
            while True:
                request, kind, length = unpack_header(await self._output.readexactly(HEADER.size))
                payload = await self._output.readexactly(length)
                self._heard_s = asyncio.get_running_loop().time()
                # A stopped request has no inbox any more; what was under way is dropped.
                if request in self.inboxes:
                    self.inboxes[request].put_nowait((kind, payload))
        except asyncio.IncompleteReadError:
            pass  # The end of its output is the end of the child, told to everybody below.
        except ValueError as error:
            log.error("the %s worker sent something that is no message and is ended: %s", self._name, error)
            self.kill()
        finally:
            self.alive = False
            for inbox in self.inboxes.values():
                inbox.put_nowait(None)

    def send(self, message: bytes) -> None:
        if self.alive and not self._input.is_closing():
            self._input.write(message)

    def kill(self) -> None:
        self.alive = False
        if self._process.returncode is None:
            self._process.kill()

    async def receive(self, request: int, stall_s: float) -> tuple[Kind, bytes]:
        """The next message of a request. Raises WorkerDied, and SpeechError when the child was silent for `stall_s` and was killed."""
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        while True:
            # A child that is at work for another talk is not stuck.
            left_s = max(asked_s, self._heard_s) + stall_s - loop.time()
            if left_s <= 0:
                self.kill()
                raise SpeechError(f"the {self._name} worker gave no answer for {stall_s:g} s and was ended")
            try:
                message = await asyncio.wait_for(self.inboxes[request].get(), left_s)
            except TimeoutError:
                continue
            break
        if message is None:
            code = await self._ended()
            raise WorkerDied(f"the {self._name} worker ended with exit code {code}; what it printed tells why")
        return message

    async def close(self) -> None:
        self._input.close()
        await self._ended()
        await self._reader

    async def _ended(self) -> int:
        """Its exit code; one that does not end by itself is killed, so that the code it meant to give is not lost to haste."""
        try:
            return await asyncio.wait_for(self._process.wait(), CLOSE_S)
        except TimeoutError:
            self.kill()
            return await self._process.wait()


class WorkerTts(SpokenHandshake):
    """Implements `Tts` over a child that talks as `voice_pipe` says. The child speaks one clause at a time; talks take turns.

    A child that dies before a clause's first sound is started again once, and the clause said again; later it is a SpeechError.
    """

    def __init__(
        self,
        name: str,
        why: str,
        voices: Sequence[str],
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        start_s: float = 10.0,
        stall_s: float = 10.0,
    ) -> None:
        """`start_s`: how long the child may take to be ready; `stall_s`: how long it may be silent at work."""
        self.name = name
        self.why = why
        self.voices: Sequence[str] = tuple(voices)
        self.restarts = 0
        """How often the child had to be started again."""
        self._command = tuple(command)
        self._environment = environment
        self._start_s = start_s
        self._stall_s = stall_s
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._requests = itertools.count(1)

    async def start(self) -> None:
        """Starts the child if it does not run, so that the first text need not wait for it. Raises SpeechError."""
        await self._running()

    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        chosen = voice or self.voices[0]
        if chosen not in self.voices:
            raise SpeechError(f"{self.name} has no voice {voice!r}; take one of: {', '.join(self.voices)}")
        for clause in clauses(spoken(text)):
            if not any(map(str.isalnum, clause)):
                continue
            async with aclosing(self._say(clause, chosen)) as sound:
                async for pcm in sound:
                    yield pcm

    async def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.close()

    async def _say(self, clause: str, voice: str) -> AsyncGenerator[Pcm, None]:
        heard = False
        try:
            async with aclosing(self._attempt(clause, voice)) as sound:
                async for pcm in sound:
                    heard = True
                    yield pcm
            return
        except WorkerDied as error:
            if heard:
                raise
            log.warning("%s; it is started again", error)
        async with aclosing(self._attempt(clause, voice)) as sound:
            async for pcm in sound:
                yield pcm

    async def _attempt(self, clause: str, voice: str) -> AsyncGenerator[Pcm, None]:
        child = await self._running()
        request = next(self._requests)
        child.inboxes[request] = asyncio.Queue()
        child.send(pack(request, Kind.SAY, json.dumps({"text": clause, "voice": voice}).encode()))
        shaper = Shaper(child.rate)
        finished = False
        try:
            while not finished:
                kind, payload = await child.receive(request, self._stall_s)
                finished = kind is not Kind.SOUND
                if kind is Kind.ERROR:
                    raise SpeechError(f"{self.name} could not speak: {payload.decode(errors='replace')}")
                pcm = shaper.flush() if finished else shaper.push(from_int16(np.frombuffer(payload, dtype="<i2")))
                if len(pcm):
                    yield pcm
        finally:
            del child.inboxes[request]
            if not finished:
                child.send(pack(request, Kind.STOP))

    async def _running(self) -> _Child:
        async with self._starting:
            if self._child is not None and self._child.alive:
                return self._child
            if self._child is not None:
                self.restarts += 1
                await self._child.close()
            self._child = await self._spawn()
            return self._child

    async def _spawn(self) -> _Child:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=None if self._environment is None else dict(self._environment),
                # A Ctrl-C is for us; the child goes when its input ends.
                start_new_session=True,
            )
        except OSError as error:
            raise SpeechError(f"the {self.name} worker cannot be started: {error}") from error
        child = _Child(self.name, process)
        try:
            _kind, payload = await child.receive(0, self._start_s)
        except SpeechError as error:
            await child.close()
            raise SpeechError(f"the {self.name} worker did not start: {error}") from error
        child.rate = json.loads(payload)["rate"]
        return child
