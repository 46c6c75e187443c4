"""The FastAPI app: every route, and the WebSocket of the PersonaPlex protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from workbench.api import (
    blind,
    docs,
    duplex,
    errors,
    health,
    latency,
    one_session,
    orchestrator,
    personas,
    phone,
    retention_routes,
    session_table,
    sessions,
    speech,
    token_routes,
    tools,
    topology_routes,
    upkeep,
    voices,
)
from workbench.api.body_limit import BodyLimit
from workbench.api.callers_trace import CallersTrace
from workbench.api.context import Context, make_context
from workbench.api.document import Api
from workbench.api.known_host import KnownHost
from workbench.api.limits import Limits
from workbench.api.login import Login, passwords_of
from workbench.api.origins import Origins
from workbench.api.token_check import TokenCheck
from workbench.assembly import Workbench
from workbench.telemetry.tracing import Tracing
from workbench.transports.websocket import ChatOptions, chat_router

SWEEP_S = 60.0
"""How often idle conversations in text are looked for."""


def create_app(workbench: Workbench, tracing: Tracing | None = None) -> FastAPI:
    """The app over an assembled workbench; `app.state.context` is what further faces are built from. Whoever assembled the workbench
    closes it, after the app has stopped. With `tracing` every talk has a trace."""
    context = make_context(workbench, tracing)
    app = Api(
        title="PersonaPlex Workbench",
        version=version("personaplex-workbench"),
        description="Talk to voice personas, and see what happens in the talks. The PersonaPlex protocol's WebSocket is at /api/chat.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.context = context
    app.add_middleware(BodyLimit, prefixes=("/api/", "/voice/", "/phone/"), larger={voices.PATH: voices.MAX_UPLOAD_BYTES})
    passwords, line = passwords_of(workbench.settings), phone.line_of(workbench.settings)
    if passwords is not None and context.seals is not None:
        app.login = True
        app.add_middleware(
            Login,
            passwords=passwords,
            seals=context.seals,
            tokens=TokenCheck(workbench.store),
            open_paths=phone.OPEN_PATHS if line is not None else (),
            public_talk=workbench.settings.public_talk,
        )
    app.add_middleware(Limits, settings=workbench.settings, refusals=context.refusals)
    app.add_middleware(Origins, allowed=workbench.settings.allowed_origins)
    app.add_middleware(KnownHost, settings=workbench.settings)
    if tracing is not None:
        app.add_middleware(CallersTrace)
    if workbench.settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(workbench.settings.trusted_proxies))
    errors.install(app)
    for part in (
        health,
        duplex,
        sessions,
        session_table,
        one_session,
        speech,
        orchestrator,
        retention_routes,
        token_routes,
        tools,
        personas,
        blind,
        voices,
        latency,
        topology_routes,
        upkeep,
        docs,
    ):
        app.include_router(part.router)
    if line is not None:
        for router in phone.routers(context, line):
            app.include_router(router)
    app.include_router(chat_router(context.entrance.open, ChatOptions(allowed_origins=workbench.settings.allowed_origins)))
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    sweeper, remover = asyncio.create_task(_sweep(context)), asyncio.create_task(context.retention.run())
    try:
        yield
    finally:
        sweeper.cancel()
        remover.cancel()
        await context.text_talks.close()


async def _sweep(context: Context) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        await context.text_talks.close_idle()
