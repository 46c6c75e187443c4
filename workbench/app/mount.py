"""The faces for people, put onto the API's app."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from workbench.api.context import Context
from workbench.app import latency_page, personas_page, plotly_script, sessions_page, tools_page, topology_page
from workbench.app.lights import lights
from workbench.app.live import LiveHub
from workbench.app.offline import OfflinePages
from workbench.app.page import build_page
from workbench.app.routes import live_router
from workbench.app.unused_routes import UnusedRoutes
from workbench.settings import Settings
from workbench.transports.ice import ice_settings
from workbench.transports.webrtc import WebRtcCalls, WebRtcOptions

STATIC = Path(__file__).parent / "static"
PLAIN_PAGES = (sessions_page.PAGE, personas_page.PAGE, latency_page.PAGE, topology_page.PAGE, tools_page.PAGE)
"""Every page but the Talk page."""


def add_pages(app: FastAPI) -> WebRtcCalls:
    """Adds the pages at their addresses, their assets at `/talk`, the live WebSockets and `/webrtc/offer`. Call last: what is added to
    the app after the Talk page is hidden by it. Whoever ends the server closes the calls that are returned."""
    context: Context = app.state.context
    workbench = context.workbench
    hub = LiveHub(context.entrance.open, lambda: workbench.sessions.live, ask_consent=workbench.settings.ask_consent)
    calls = WebRtcCalls(hub.open, webrtc_options(workbench.settings))
    app.include_router(live_router(hub, functools.partial(lights, context.probes, workbench.roster), workbench.settings.allowed_origins))
    app.include_router(calls.router())
    for page in PLAIN_PAGES:
        app.include_router(page.router())
    app.include_router(plotly_script.router)
    app.mount("/talk", StaticFiles(directory=STATIC), name="talk")
    app.add_middleware(OfflinePages)
    app.add_middleware(UnusedRoutes)
    # Gradio 5.50 prints every address that it mounts, a forgotten trace of its own; stdout is for results.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Gradio 5.50 announces a parameter of Gradio 6 that it sets itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        for page in PLAIN_PAGES:
            gr.mount_gradio_app(
                app, page.build(login=workbench.settings.password is not None), path=page.address, show_api=False, ssr_mode=False
            )
        gr.mount_gradio_app(app, build_page(workbench, calls), path="/", show_api=False, ssr_mode=False)
    return calls


def webrtc_options(settings: Settings) -> WebRtcOptions:
    """The WebRTC part of the settings."""
    return WebRtcOptions(
        max_calls=settings.max_sessions,
        jitter_packets=settings.jitter_packets,
        loopback_only=settings.loopback_webrtc,
        allowed_origins=tuple(settings.allowed_origins),
        ice=ice_settings(settings),
    )
