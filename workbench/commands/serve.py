"""`workbench serve`: the server, one process, one worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Annotated

import typer
import uvicorn

from workbench.api.app import create_app
from workbench.assembly import Workbench, assemble
from workbench.bridge.config import ToolsConfig
from workbench.bridge.config_tables import Mas
from workbench.commands.common import DataDir, Db, ToolsFile, listen_on, load_settings, load_tools, run, say, spare_from_collection
from workbench.commands.local_gateway import GatewayPlan, NoGateway, plan_gateway
from workbench.engines.base import Engine, EngineError
from workbench.engines.missing import MissingEngine
from workbench.engines.personaplex.local import LocalGateway
from workbench.engines.roster import AUTO
from workbench.log_setup import start_log
from workbench.settings import Settings
from workbench.telemetry.tracing import start_tracing
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving
from workbench.transports.websocket import SERVER_OPTIONS


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (WORKBENCH_HOST); loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port (WORKBENCH_PORT).")] = None,
    data_dir: DataDir = None,
    db: Db = None,
    engine: Annotated[str | None, typer.Option(help="Engine for talks that name none (WORKBENCH_ENGINE).")] = None,
    no_recording: Annotated[bool, typer.Option("--no-recording", help="Keep no sound, only rows.")] = False,
    gateway: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|REPO|auto|off",
            help="PersonaPlex checkpoint to serve here (WORKBENCH_GATEWAY); auto: where a GPU and weights are.",
        ),
    ] = None,
    tools_file: ToolsFile = None,
    mas_stub: Annotated[
        bool, typer.Option("--mas-stub", help="Start a stand-in for the MAS orchestrator here and use it, for development.")
    ] = False,
    test_engines: Annotated[bool, typer.Option("--test-engines", help="Also offer the echo and scripted engines.")] = False,
) -> None:
    """Serve the page, the API and the WebSocket. Ctrl-C ends every talk and writes everything down."""

    async def work() -> None:
        settings = load_settings(
            host=host,
            port=port,
            data_dir=data_dir,
            db=db,
            engine=engine,
            recording=False if no_recording else None,
            gateway=gateway,
            tools_file=tools_file,
            test_engines=test_engines or None,
        )
        start_log(settings.log_level, settings.log_format, transcripts=settings.log_transcripts)
        tools = load_tools(settings)
        with listen(settings) as listening:
            async with _orchestrator(tools, mas_stub) as found:
                await _serve(settings, found, listening)

    run(work)
    # The page's library outlives the interpreter's modules, at which the database's binding complains over forty lines. All is closed.
    sys.stderr.flush()
    os._exit(0)


def listen(settings: Settings) -> socket.socket:
    """The listening socket, before anything is loaded: a busy port is told at once. Raises CommandError."""
    return listen_on(settings.host, settings.port)


class Server(uvicorn.Server):
    """Ends the talks before the connections: each talk's end is `server_stopped`, not a lost client."""

    def __init__(self, config: uvicorn.Config, workbench: Workbench) -> None:
        super().__init__(config)
        self._workbench = workbench

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops at SIGINT and SIGTERM. uvicorn's own way raises the signal again afterwards, which would cut off what is still to be
        written down."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        spare_from_collection()
        await super().startup(sockets)
        say(f"Ready: {_address(self._workbench.settings)}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        say("Stopping: ending the talks and writing everything down.")
        await self._workbench.sessions.stop()
        await super().shutdown(sockets)


async def _serve(settings: Settings, tools: ToolsConfig, listening: socket.socket) -> None:
    # The page's libraries take seconds to import; meanwhile the parts are opened, and a busy port was told without them.
    importing = asyncio.create_task(asyncio.to_thread(import_module, "workbench.app.mount"))
    plan = await asyncio.to_thread(plan_gateway, settings)
    if isinstance(plan, GatewayPlan):
        settings = settings.model_copy(update={"gateway": plan.checkpoint})
    async with _personaplex(settings, plan) as personaplex:
        bench = await assemble(settings, progress=say, personaplex=personaplex, tools=tools, address=_address(settings))
        tracing = start_tracing(settings.traces_url, service="personaplex-workbench", tell=say)
        try:
            say(await _engine_line(bench))
            app = create_app(bench, tracing)
            calls = (await importing).add_pages(app)
            config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5, **SERVER_OPTIONS)
            try:
                await Server(config, bench).serve(sockets=[listening])
            finally:
                await calls.close()
        finally:
            await bench.close()
            if tracing is not None:
                await asyncio.to_thread(tracing.close)


@asynccontextmanager
async def _orchestrator(tools: ToolsConfig, stub: bool) -> AsyncIterator[ToolsConfig]:
    """The tools' configuration, with a stand-in in the place of the MAS orchestrator where that is wanted."""
    if not stub:
        yield tools
        return
    async with serving(MasStub().app) as url:
        say(f"A stand-in for the MAS orchestrator is at {url}: it does nothing but say what it was asked.")
        yield replace(tools, mas=(tools.mas or Mas()).model_copy(update={"url": url, "token_env": None}))


@asynccontextmanager
async def _personaplex(settings: Settings, plan: GatewayPlan | NoGateway) -> AsyncIterator[Engine | None]:
    """The engine of a gateway that is started here, or what stands in for it; None where the settings name a server."""
    if isinstance(plan, NoGateway):
        missing = MissingEngine("personaplex", plan.reason, f"Mend it with `{plan.repair}`.")
        yield missing if settings.personaplex_url is None else None
        return
    say(f"Starting a PersonaPlex gateway with {plan.checkpoint} on {plan.device} for {plan.slots} talks at once. {plan.why}")
    local = LocalGateway(plan.command, device=plan.device, progress=say)
    local.start()
    try:
        yield local
    finally:
        await local.stop()


async def _engine_line(bench: Workbench) -> str:
    """Which engine a talk that names none gets now, and why."""
    try:
        name, why, _answer = await bench.roster.choose(bench.settings.engine or AUTO)
    except EngineError as error:
        return f"No engine: {error}"
    return f"Engine: {name}. {why}"


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
