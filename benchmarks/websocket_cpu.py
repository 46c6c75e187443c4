"""CPU that a server spends on the WebSocket path per 80 ms frame: Opus both ways, the protocol, asyncio and uvicorn, no engine.

The server is a process of its own, whose CPU time is read once a second; the talks are echoes, the clients send in real time.

    uv run python -m benchmarks.websocket_cpu --sessions 8 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket

import numpy as np
import psutil
import uvicorn
from fastapi import FastAPI

from benchmarks.table import machine, table
from workbench.audio.frames import FRAME_RATE, FRAME_SAMPLES, Pcm
from workbench.protocol import Audio
from workbench.testing.port import EchoOpener
from workbench.transports.websocket import SERVER_OPTIONS, chat_router
from workbench.wire_client import ChatClient


def _serve(listener: socket.socket) -> None:
    app = FastAPI()
    app.include_router(chat_router(EchoOpener()))
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", **SERVER_OPTIONS)).run(sockets=[listener])


async def _talk(address: str, sound: Pcm) -> int:
    """Plays `sound` in real time; gives the samples that came back."""
    heard = 0
    async with await ChatClient.connect(address) as client:
        sending = asyncio.create_task(client.send_paced(sound))
        async for message in client.receive():
            if isinstance(message, Audio):
                heard += client.decode_audio(message).size
                if heard >= sound.size:
                    break
        await sending
    return heard


async def _watch(server: psutil.Process, windows: list[float]) -> None:
    before = server.cpu_times()
    while True:
        await asyncio.sleep(1.0)
        after = server.cpu_times()
        windows.append((after.user + after.system) - (before.user + before.system))
        before = after


async def _measure(address: str, pid: int, sessions: int, seconds: int) -> list[float]:
    """CPU milliseconds per frame, one value per second."""
    random = np.random.default_rng(0)
    sound = np.convolve(random.standard_normal(round(seconds * FRAME_RATE) * FRAME_SAMPLES), np.ones(8) / 30, mode="same").astype(
        np.float32
    )
    windows: list[float] = []
    # The first call loads and warms everything.
    await _talk(address, sound[: 10 * FRAME_SAMPLES])
    watching = asyncio.create_task(_watch(psutil.Process(pid), windows))
    heard = await asyncio.gather(*(_talk(address, sound) for _ in range(sessions)))
    watching.cancel()
    if min(heard) < sound.size:
        raise SystemExit(f"a session heard {min(heard)} of {sound.size} samples back; the machine is too slow for {sessions} sessions")
    return [cpu_s * 1_000 / (sessions * FRAME_RATE) for cpu_s in windows[1:-1]]


def main() -> None:
    """Prints one line of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    arguments = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    server.start()
    try:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        per_frame = asyncio.run(_measure(address, server.pid or 0, arguments.sessions, arguments.seconds))
    finally:
        server.terminate()
        server.join()
    frames = round(len(per_frame) * arguments.sessions * FRAME_RATE)
    p50, p95, mean = (float(figure) for figure in (np.percentile(per_frame, 50), np.percentile(per_frame, 95), np.mean(per_frame)))
    head = ("sessions", "frames", "CPU ms per 80 ms frame, p50 of seconds", "p95 of seconds", "mean")
    print(machine())
    print(table(head, [(arguments.sessions, frames, p50, p95, mean)], digits=2))


if __name__ == "__main__":
    main()
