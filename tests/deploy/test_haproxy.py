"""Three gateways on the tiny checkpoint behind a real HAProxy, configured by `workbench deploy haproxy`: spread, full, killed, drained."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import psutil
import pytest
from servers import CLI, ROOT, clean_environment, free_port

from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.clock import FastClock, fixed
from workbench.conversation.conversation import Conversation
from workbench.engines.base import Availability, EngineBusy, EngineSpec
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.events import EngineChosen, EngineLost, Event, FrameTiming, SessionClosed, SessionOpened, UserText
from workbench.personas import Persona
from workbench.protocol import Metadata
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder
from workbench.talk import Observer
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import run_talk, spoken
from workbench.wire_client import ChatClient, ChatError

E = TypeVar("E", bound=Event)
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed (apt-get install haproxy)"),
]
TINY = ROOT / "tests" / "data" / "personaplex"
TOKEN = "s3cret-of-the-gateways"
SLOTS = 2
PERSONA = Persona("tess", "Tess", "TINYW1", "casual", "You enjoy having a good conversation. Your name is Tess.")
WITHIN_S = 90.0


async def until(true: Callable[[], object], limit_s: float = WITHIN_S) -> None:
    """Waits for a state. It is looked for in a thread: a client that answers no ping meanwhile is taken for lost."""
    async with asyncio.timeout(limit_s):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.1)


class Pool:
    """The gateways, which can be killed and started again, and the balancer before them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("g1", "g2", "g3")}
        self.pids: dict[str, int] = {}
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.engine = PersonaPlexEngine(self.url, TOKEN)
        environment = clean_environment({"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "POOL_TOKEN": TOKEN})
        with (folder / "gateways.log").open("w") as log:
            self._family = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("gateway_family.py")), str(TINY), str(SLOTS), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        for name in self.ports:
            self.start(name)
        config = folder / "haproxy.cfg"
        asked = [part for port in self.ports.values() for part in ("--gateway", f"127.0.0.1:{port}={SLOTS}")]
        more = ("--token-env", "POOL_TOKEN", "--admin-socket", str(folder / "admin.sock"))
        made = subprocess.run(
            [*CLI, "deploy", "haproxy", *asked, "--listen", f"127.0.0.1:{self.port}", *more, "--check", "--out", str(config)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        assert HAPROXY is not None
        with (folder / "haproxy.log").open("w") as log:
            self._balancer = subprocess.Popen([HAPROXY, "-f", str(config)], stderr=log, env=environment)

    def start(self, name: str) -> None:
        assert self._family.stdin is not None
        assert self._family.stdout is not None
        self._family.stdin.write(f"{name} {self.ports[name]}\n")
        self._family.stdin.flush()
        self.pids[name] = int(self._family.stdout.readline())

    def stop(self) -> None:
        self._balancer.terminate()
        self._balancer.wait()
        self._family.communicate()

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pids[name], number)

    def alive(self, name: str) -> bool:
        return psutil.pid_exists(self.pids[name]) and psutil.Process(self.pids[name]).status() != psutil.STATUS_ZOMBIE

    def health(self) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
        except httpx.TransportError:
            return None

    def count(self, figure: str) -> int | None:
        """One of the balancer's figures over all gateways."""
        answer = self.health()
        return None if answer is None or answer.status_code != 200 else int(answer.headers[f"x-gateways-{figure}"])

    def order(self, line: str) -> None:
        """To the balancer's admin socket."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.folder / "admin.sock"))
            admin.sendall(line.encode() + b"\n")
            assert not admin.recv(4_096).strip()

    def prompts(self, name: str) -> list[str]:
        path = self.folder / f"{name}.prompts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[tuple[ChatClient, str]]:
        """A bare talk through the balancer, and the instance that holds it."""
        client = await ChatClient.connect(
            self.url, token=TOKEN, timeout_s=WITHIN_S, wait_for_handshake=False, voice_prompt="TINYW1", text_prompt="Hi.", events=True
        )
        async with client:
            async for message in client.receive():
                if isinstance(message, Metadata) and message.type == "opened":
                    yield client, message.data["instance"]
                    return
            raise AssertionError(f"the talk did not open: {client.close_reason}")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    made = Pool(tmp_path_factory.mktemp("pool"))
    yield made
    made.stop()


@pytest.fixture
async def ready(pool: Pool) -> Pool:
    """All three are there and idle."""
    for name in pool.ports:
        if not pool.alive(name):
            await asyncio.to_thread(pool.start, name)
    await until(lambda: (pool.count("up"), pool.count("in-use")) == (3, 0))
    return pool


async def probe(pool: Pool) -> Availability:
    return await pool.engine.probe()


async def test_the_least_loaded_gets_the_next_talk_and_full_is_busy(ready: Pool) -> None:
    async with ready.talk() as (_one, first), ready.talk() as (two, second), ready.talk() as (_three, third):
        assert {first, second, third} == {"g1", "g2", "g3"}
        await two.close()
        await until(lambda: ready.count("in-use") == 2)
        async with ready.talk() as (four, again):
            assert again == second, "it had become the least loaded"
            answer = await probe(ready)
            assert (answer.state, answer.capacity, answer.in_use) == ("ready", 3 * SLOTS, 3), "of all gateways, whichever answered"
            assert "(3 gateways)" in answer.reason
            assert answer.load is not None
            assert (answer.load.gateways, answer.load.instance in ready.ports) == (3, True)
            async with ready.talk() as (_, fifth), ready.talk() as (_, sixth), ready.talk() as (_, seventh):
                assert Counter((first, third, again, fifth, sixth, seventh)) == dict.fromkeys(ready.ports, SLOTS)
                answer = await probe(ready)
                assert (answer.state, answer.capacity, answer.in_use) == ("busy", 3 * SLOTS, 3 * SLOTS)
                with pytest.raises(EngineBusy, match="no gateway has a free place"):
                    await ready.engine.open(EngineSpec("more", PERSONA, "TINYW1", FastClock(fixed({}))))
                with pytest.raises(ChatError, match="no gateway has a free place") as refused:
                    await ChatClient.connect(ready.url, token=TOKEN, voice_prompt="TINYW1", text_prompt="Hi.")
                assert refused.value.code == "busy"
                await four.send_paced(silence(SAMPLE_RATE))


async def test_what_is_not_of_the_pool_is_refused(ready: Pool) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ready.port}") as client:
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            assert (await client.get("/health", headers=headers)).status_code == 401
        assert (await client.get("/health", params={"worker_auth_id": TOKEN})).status_code == 200
        mine = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/voices", headers=mine)).status_code == 200
        for path in ("/drain", "/metrics", "/api/chat/../../drain"):
            assert (await client.post(path, headers=mine)).status_code == 404
    assert await asyncio.to_thread(ready.count, "up") == 3
    assert TOKEN not in (ready.folder / "haproxy.cfg").read_text() + (ready.folder / "haproxy.log").read_text()


class Talk:
    """A whole talk with the engine, as fast as its gateway answers; it ends when it is hung up."""

    def __init__(self, pool: Pool, session_id: str, *observers: Observer) -> None:
        self.events: list[Event] = []
        self.frames = 0
        self._conversations: list[Conversation] = []
        sound = np.concatenate([spoken(1.0), silence(600 * SAMPLE_RATE)])
        self._running = asyncio.create_task(
            run_talk(
                sound,
                engines=[pool.engine, ScriptedEngine()],
                asr=ScriptedAsr(["tell me more"]),
                persona=PERSONA,
                tones=True,
                session_id=session_id,
                observers=[self, *observers],
                on_start=self._conversations.append,
            )
        )

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self.frames += 1

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def gateway(self) -> str:
        """Which one holds it now."""
        return self.of(EngineChosen)[-1].parts["gateway"]["name"]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not true():
                assert not self._running.done(), f"the talk ended: {self._running}"
                await asyncio.sleep(0.01)

    async def goes_on(self) -> None:
        """Another second of talk, without a loss."""
        frames, losses = self.frames, len(self.of(EngineLost))
        await self.until(lambda: self.frames > frames + 12)
        assert len(self.of(EngineLost)) == losses

    async def hang_up(self) -> None:
        self._conversations[0].hang_up()
        assert (await self._running).reason == "hung_up"


async def test_talks_of_a_killed_gateway_go_on_at_another(ready: Pool, tmp_path: Path) -> None:
    with closing(DuckDbStore(tmp_path / "talks.duckdb")) as store:
        recorder = Recorder(store, tmp_path, recording=False)
        struck, spared = (Talk(ready, name, recorder.observer()) for name in ("struck", "spared"))
        await struck.until(lambda: any(heard.final for heard in struck.of(UserText)))
        await spared.until(lambda: spared.frames > 12)
        killed = struck.gateway
        assert killed != spared.gateway
        before = {name: len(ready.prompts(name)) for name in ready.ports}

        ready.signal(killed, signal.SIGKILL)
        await struck.until(lambda: len(struck.of(EngineChosen)) == 2)
        first, again = struck.of(EngineChosen)
        assert (first.engine, first.resumed) == ("personaplex", False)
        assert (again.engine, again.resumed) == ("personaplex", True)
        assert {role: again.parts[role] for role in ("model", "voice")} == {role: first.parts[role] for role in ("model", "voice")}
        assert struck.gateway != killed
        (prompt,) = ready.prompts(struck.gateway)[before[struck.gateway] :]
        assert f"{PERSONA.prompt} You are in the middle of a talk" in prompt
        assert "The user said: tell me more" in prompt
        await struck.goes_on()
        await spared.goes_on()
        assert not spared.of(EngineLost)
        await until(lambda: ready.count("up") == 2)
        await struck.hang_up()
        await spared.hang_up()
        store.flush()
        for talk, resumed in ((struck, [False, True]), (spared, [False])):
            (opened,) = talk.of(SessionOpened)
            kept = queries.read_events(store, opened.session_id)
            assert [event.resumed for event in kept if isinstance(event, EngineChosen)] == resumed
            assert len([event for event in kept if isinstance(event, EngineLost)]) == len(resumed) - 1
            ticks = [event.frame for event in kept if isinstance(event, FrameTiming)]
            assert ticks == list(range(1, len(ticks) + 1)), "the clock went on"
            assert len(ticks) >= talk.frames
            assert isinstance(kept[-1], SessionClosed)


async def test_a_drained_gateway_keeps_its_talk_and_gets_no_other(ready: Pool) -> None:
    talk = Talk(ready, "drained")
    await talk.until(lambda: talk.frames > 12)
    drained = talk.gateway
    ready.signal(drained, signal.SIGTERM)
    # A balancer that has not found out yet is sent on by the gateway itself.
    async with ready.talk() as (_, one), ready.talk() as (_, two):
        assert drained not in (one, two)
        await until(lambda: ready.count("up") == 2)
        answer = await probe(ready)
        assert (answer.capacity, answer.in_use) == (2 * SLOTS, 2), "its places and its talk do not count"
    await talk.goes_on()
    assert (talk.gateway, ready.alive(drained)) == (drained, True)

    # Whose time is over is told, and goes on elsewhere.
    ready.signal(drained, signal.SIGTERM)
    await talk.until(lambda: len(talk.of(EngineChosen)) == 2)
    assert "is being stopped" in talk.of(EngineLost)[0].reason
    assert talk.gateway != drained
    await talk.goes_on()
    await until(lambda: not ready.alive(drained))
    await talk.hang_up()


async def test_one_that_is_drained_at_the_balancer_goes_on_running(ready: Pool) -> None:
    ready.order("set server gateways/g1 state drain")
    await until(lambda: ready.count("up") == 2)
    assert ready.count("slots") == 2 * SLOTS
    async with ready.talk() as (_, one), ready.talk() as (_, two):
        assert {one, two} == {"g2", "g3"}
    ready.order("set server gateways/g1 state ready")
    await until(lambda: ready.count("up") == 3)
    assert ready.alive("g1")
