"""CPU that a server spends for each 80 ms frame of a talk over the WebSocket, with the recogniser faked.

    uv run python -m benchmarks.frame_overhead [--sessions 8] [--seconds 20]

Four servers take the same Ogg/Opus bytes of the same users in turn: one that only sends them back; one whose talks are echoes (Opus
both ways, the protocol, the outbox); one with whole talks (timeline, detectors, turns, bridge, recorder; turns end after a fixed
hold); and the same with the end-of-turn model. Server and users are processes of their own. The server's CPU time is read once a
second; one value is the CPU of one second divided by its frames.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from benchmarks.children import SCRIPTED, child, cpu_s, server
from benchmarks.table import machine, percentile, table
from workbench.audio.frames import FRAME_RATE
from workbench.protocol import Handshake, encode
from workbench.testing.port import EchoOpener
from workbench.transports.websocket import SERVER_OPTIONS, chat_router

SIMPLE = ("-m", "benchmarks.frame_overhead", "--serve")
SERVERS: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "bytes sent back": ((*SIMPLE, "bare"), {}),
    "echo talks: Opus and protocol": ((*SIMPLE, "echo"), {}),
    "whole talks, fixed hold": (SCRIPTED, {"WORKBENCH_TURN_FIXED_HOLD_MS": "500"}),
    "whole talks, end-of-turn model": (SCRIPTED, {}),
}
EDGE_WINDOWS = 2
"""Seconds left out at either end: users come and go in them."""


def serve(kind: str, port: int) -> None:
    """The two simple servers, until SIGTERM."""
    app = FastAPI()

    @app.get("/health")
    async def health() -> str:
        return "ok"

    if kind == "echo":
        app.include_router(chat_router(EchoOpener()))
    else:

        @app.websocket("/api/chat")
        async def chat(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_bytes(encode(Handshake()))
            with suppress(WebSocketDisconnect, RuntimeError):
                while True:
                    await websocket.send_bytes(await websocket.receive_bytes())

    uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", **SERVER_OPTIONS)).run()


def windows_of(process: psutil.Process, url: str, sessions: int, seconds: int) -> tuple[list[float], list[int]]:
    """CPU ms per frame for each second, and the messages that each user got."""
    users = ("-m", "benchmarks.users", "--url", url, "--talks", str(sessions), "--seconds", str(seconds), "--query", "engine=scripted")
    windows: list[float] = []
    with child(users) as talking:
        before, before_s = cpu_s(process), time.perf_counter()
        while talking.poll() is None:
            time.sleep(1.0)
            after, after_s = cpu_s(process), time.perf_counter()
            windows.append((after - before) * 1_000 / ((after_s - before_s) * sessions * FRAME_RATE))
            before, before_s = after, after_s
        out, _ = talking.communicate()
    if talking.returncode:
        raise SystemExit(f"the users failed at {url}")
    heard = [talk["messages"] for talk in json.loads(out)["talks"]]
    # The users' process takes a moment to begin: the seconds that count are those before its end.
    return windows[-(seconds - EDGE_WINDOWS) : -EDGE_WINDOWS], heard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--serve", choices=("bare", "echo"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.port)
        return
    print(machine())
    rows = []
    for name, (command, environment) in SERVERS.items():
        with server(command, WORKBENCH_MAX_SESSIONS=str(options.sessions + 1), **environment) as (url, process):
            windows, heard = windows_of(process, url, options.sessions, options.seconds)
        frames = round(len(windows) * options.sessions * FRAME_RATE)
        fewest = min(heard) / (options.seconds * FRAME_RATE)
        rows.append(
            (
                name,
                options.sessions,
                len(windows),
                frames,
                float(np.mean(windows)),
                percentile(windows, 50),
                percentile(windows, 95),
                fewest * 100,
            )
        )
    head = ("server", "talks", "n seconds", "frames", "CPU ms a frame, mean", "p50", "p95", "frames played to the slowest user, %")
    print(table(head, rows, digits=2))
    print(machine())


if __name__ == "__main__":
    main()
