"""A whole server whose recogniser and voices are scripts, for load runs and tests: what it costs is the transport and the talk.

    uv run python -m benchmarks.scripted_server --port 7861 --data-dir /tmp/bench

Every utterance is understood as "tell me more". Other settings come from the environment. `--stock-aiortc` leaves aiortc as it is, for
comparison: its jitter buffer holds packets back instead of ours.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import aiortc.rtcrtpreceiver
import uvicorn
from aiortc.jitterbuffer import JitterBuffer

from workbench.api.app import create_app
from workbench.assembly import assemble
from workbench.commands.serve import Server, listen
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts
from workbench.transports.webrtc import WebRtcCalls, WebRtcOptions
from workbench.transports.websocket import SERVER_OPTIONS


async def serve(settings: Settings, *, stock_aiortc: bool = False) -> None:
    """Until SIGINT or SIGTERM."""
    with listen(settings) as listening:
        bench = await assemble(settings, recogniser=ScriptedAsr(lambda _seconds: "tell me more"), synthesisers=[ToneTts()])
        try:
            app = create_app(bench)
            rtc = WebRtcOptions(
                max_calls=settings.max_sessions, jitter_packets=settings.jitter_packets, loopback_only=settings.loopback_webrtc
            )
            calls = WebRtcCalls(app.state.context.entrance.open, rtc)
            if stock_aiortc:
                receiver: Any = aiortc.rtcrtpreceiver
                receiver.JitterBuffer = JitterBuffer
            app.include_router(calls.router())
            config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5, **SERVER_OPTIONS)
            await Server(config, bench).serve(sockets=[listening])
            await calls.close()
        finally:
            await bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--stock-aiortc", action="store_true")
    options = parser.parse_args()
    settings = Settings(port=options.port, data_dir=options.data_dir, test_engines=True)
    asyncio.run(serve(settings, stock_aiortc=options.stock_aiortc))


if __name__ == "__main__":
    main()
