"""A gateway of this server's own: a child process that is started, watched, restarted, and ended with its parent."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from workbench.engines.base import Availability, EngineError, EngineSession, EngineSpec, PromptSize
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.engines.personaplex.server import PROBE_TIMEOUT_S, Server, ServerFailed, ServerFault
from workbench.personas import Persona

log = logging.getLogger(__name__)

RESTART_WAITS_S = (1.0, 4.0, 15.0, 60.0, 240.0)
"""Waits before the tries after a crash; after the last one it stays down."""
STEADY_S = 60.0
"""A gateway that was ready for so long and then crashed begins again with the first wait."""
LOOK_ROUND_S = 0.5
"""How often a gateway that is starting is asked whether it is ready."""
CHECK_ROUND_S = 5.0
"""How often one that was ready is asked whether its model still runs."""
GOODBYE_S = 8.0
"""How long it may take to end once its input has ended; longer than it gives itself."""
BAR_ROUND_S = 10.0
"""A progress bar redraws itself many times a second; it is shown so often."""
LINE_BYTES = 4_096
LINE_SHOWN = 200
"""Characters of its last line in an account of its state."""
TOLD_PLAINLY = 2
"""Exit code of a command that has said in one line what was wrong: trying again would change nothing."""
PREFIX = "gateway: "


@dataclass(frozen=True, slots=True)
class _Down:
    """Why there is no gateway just now."""

    starting: bool
    reason: str
    repair: str


class LocalGateway:
    """Implements `Engine`: the gateway's own engine once it is ready, and before that a true account of how far it is.

    The child gets a bound socket (so nobody else can have its port), a random token by its environment, and a pipe as its input that
    ends when this process ends, however it ends.
    """

    name = "personaplex"

    def __init__(
        self,
        command: Sequence[str],
        *,
        device: str,
        progress: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
        waits_s: Sequence[float] = RESTART_WAITS_S,
    ) -> None:
        """`command` takes `--inherited-socket FD` as well. `progress` is told every line of the gateway's, and what becomes of it."""
        self._command = tuple(command)
        self._progress = progress
        self._environment = dict(os.environ if environment is None else environment)
        self._waits_s = tuple(waits_s)
        self._engine: PersonaPlexEngine | None = None
        """Set while the gateway is ready."""
        self._starting = _Down(
            starting=True,
            reason=f"The gateway of this server is starting on {device}.",
            repair="Until it is ready, talks begin with the next engine.",
        )
        self._down = self._starting
        self._began_s = time.monotonic()
        self._said: deque[str] = deque(maxlen=20)
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the gateway and keeps it running until `stop`."""
        self._keeping = asyncio.create_task(self._keep(), name="local-gateway")

    async def stop(self) -> None:
        """Ends it; returns when the process is gone."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None

    async def probe(self) -> Availability:
        engine = self._engine
        if engine is not None:
            answer = await engine.probe()
            if engine is self._engine:
                return answer
        return self._account()

    async def open(self, spec: EngineSpec) -> EngineSession:
        """Raises EngineError while it is not ready."""
        if self._engine is None:
            account = self._account()
            raise EngineError(f"{account.reason} {account.repair}")
        return await self._engine.open(spec)

    async def prompt_size(self, persona: Persona) -> PromptSize | None:
        """None while it is not ready."""
        return await self._engine.prompt_size(persona) if self._engine is not None else None

    def _account(self) -> Availability:
        if not self._down.starting:
            return Availability("unavailable", self._down.reason, self._down.repair)
        last = f" {self._said[-1][:LINE_SHOWN]}" if self._said else ""
        so_far = f"{self._down.reason.rstrip('.')} ({time.monotonic() - self._began_s:.0f} s so far).{last}"
        return Availability("starting", so_far, self._down.repair)

    async def _keep(self) -> None:
        tries = 0
        try:
            while True:
                self._began_s = time.monotonic()
                self._said.clear()
                self._down = self._starting
                ready_s, reason, final = await self._live()
                tries = 0 if ready_s > STEADY_S else tries
                if final or tries == len(self._waits_s):
                    self._fail(reason)
                    return
                wait_s = self._waits_s[tries]
                tries += 1
                again = f"It is started again in {wait_s:g} s (try {tries} of {len(self._waits_s)})."
                self._down = _Down(starting=False, reason=f"The gateway of this server {reason}", repair=again)
                self._progress(f"{PREFIX}it {reason} {again}")
                await asyncio.sleep(wait_s)
        except Exception as error:
            log.exception("the local gateway's keeper failed")
            self._fail(f"cannot be kept running: {type(error).__name__}: {error}.")

    def _fail(self, reason: str) -> None:
        self._down = _Down(
            starting=False, reason=f"The gateway of this server {reason}", repair="Mend that, then restart `workbench serve`; see its log."
        )
        self._progress(f"{PREFIX}it {reason} It is not started again.")

    async def _live(self) -> tuple[float, str, bool]:
        """One life: seconds for which it was ready, what became of it, and whether trying again is of no use."""
        token = secrets.token_urlsafe(32)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
            number = listening.fileno()
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--inherited-socket",
                    str(number),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env={**self._environment, "PERSONAPLEX_TOKEN": token},
                    pass_fds=(number,),
                    # A Ctrl-C is for us: the talks are ended first.
                    start_new_session=True,
                )
            except OSError as error:
                return 0.0, f"cannot be started ({error}).", True
        reading = asyncio.create_task(self._read(cast(asyncio.StreamReader, process.stdout)))
        watching = asyncio.create_task(self._watch(url, token))
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_ready, self._engine = self._engine is not None, None
            watching.cancel()
            self._down = _Down(starting=False, reason="The gateway of this server has ended.", repair="Wait a moment.")
            await _end(process)
            await asyncio.gather(ending, reading, watching, return_exceptions=True)
        if not watching.cancelled():
            lasted_s, reason = watching.result()
            return lasted_s, reason, False
        ready_s = time.monotonic() - self._began_s if was_ready else 0.0
        code = ending.result()
        return ready_s, self._told(code), code == TOLD_PLAINLY and not was_ready

    async def _watch(self, url: str, token: str) -> tuple[float, str]:
        """Makes the gateway's engine known once it is ready. Returns when its model has failed: how long it was ready, and why."""
        server, engine = Server(url, token), PersonaPlexEngine(url, token)
        while (answer := await engine.probe()).state == "unavailable":  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(LOOK_ROUND_S)
        self._engine = engine
        took_s = time.monotonic() - self._began_s
        self._progress(f"{PREFIX}ready after {took_s:.1f} s, {answer.capacity} talks at once. {answer.reason}")
        while True:
            await asyncio.sleep(CHECK_ROUND_S)
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await server.ask()
            except ServerFailed as failed:
                return time.monotonic() - self._began_s - took_s, f"has lost its model. {failed.reason}"
            except (ServerFault, TimeoutError) as fault:
                # Late is not dead: its process ending is what counts.
                log.warning("the local gateway gave no answer: %s", fault or f"none within {PROBE_TIMEOUT_S:g} s")

    async def _read(self, output: asyncio.StreamReader) -> None:
        rest, shown_s = b"", 0.0
        while data := await output.read(LINE_BYTES):
            *parts, rest = re.split(rb"(?<=[\r\n])", rest + data)
            for part in parts:
                line = part.decode(errors="replace").strip()
                if not line:
                    continue
                self._said.append(line)
                if not part.endswith(b"\r") or time.monotonic() - shown_s > BAR_ROUND_S:
                    shown_s = time.monotonic()
                    self._progress(f"{PREFIX}{line}")
            if len(rest) > LINE_BYTES:
                rest = b""

    def _told(self, code: int) -> str:
        """How it ended, with its last words."""
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}."
        last = self._said[-1].removeprefix("workbench: ") if self._said else "It said nothing"
        return f"ended with exit code {code}: {last.rstrip('.')}."


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends its input, at which it goes by itself; kills it when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(GOODBYE_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
