"""Two visitors who connect during each other's prompt phase. In NVIDIA's server the first then talks with the second's persona and voice;
here each keeps its own, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import numpy as np
import pytest
from serving import WAIT_S, Client, Served, running

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.gateway.model import Model
from workbench.gateway.owner import Owner
from workbench.gateway.server import ServerOptions
from workbench.gateway.snapshots import Snapshots
from workbench.protocol import Handshake

VISITORS = (
    {"voice_prompt": "TINYW1.wav", "text_prompt": "You are a wise and friendly teacher. Have a casual discussion about the weather."},
    {"voice_prompt": "TINYF0_f32.pt", "text_prompt": "You work for a small repair shop and your name is Robin."},
)
FRAMES = 30


@pytest.fixture
def served(model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Nothing is remembered: every visitor has a prompt phase of its own."""
    monkeypatch.setattr(model.prefiller, "_snapshots", Snapshots(0))
    yield from running(model, ServerOptions(port=0))


async def speak(client: Client, user: Pcm) -> tuple[str, Pcm]:
    """The words and the sound that come back to `user`, frame by frame."""
    words, sound = "", []
    for frame in user[:FRAMES]:
        await client.speak(frame)
        pcm, heard = await client.hear(FRAME_SAMPLES)
        sound.append(pcm)
        words += heard
    return words, np.concatenate(sound)


async def alone(served: Served, user: Pcm, visitor: dict[str, str]) -> tuple[str, Pcm]:
    async with served.client(**visitor) as client:
        await client.until(Handshake)
        return await speak(client, user)


def paused_after_first_chunk(owner: Owner, go_on: threading.Event) -> Callable[[], None]:
    """`prepare_next` that stops in the middle of the first prompt until `go_on`."""
    real, calls = owner.prepare_next, []

    def prepare_next() -> None:
        if calls == ["first chunk"]:
            assert go_on.wait(WAIT_S)
        calls.append("first chunk")
        real()

    return prepare_next


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_each_keeps_its_own_persona_and_voice(
    served: Served, user: Pcm, monkeypatch: pytest.MonkeyPatch, order: tuple[int, int]
) -> None:
    expected = [await alone(served, user, visitor) for visitor in VISITORS]
    assert expected[0][0] != expected[1][0], "the test cannot tell the two apart"

    owner, second_is_here = served.slots.owner, threading.Event()
    monkeypatch.setattr(owner, "prepare_next", paused_after_first_chunk(owner, second_is_here))
    async with AsyncExitStack() as open_clients:
        first = await open_clients.enter_async_context(served.client(**VISITORS[order[0]]))
        async with asyncio.timeout(WAIT_S):
            while not owner.preparing:  # noqa: ASYNC110 - the owner's thread sets no event
                await asyncio.sleep(0.01)
        second = await open_clients.enter_async_context(served.client(**VISITORS[order[1]]))
        async with asyncio.timeout(WAIT_S):
            while len(owner.waiting) + len(owner.rows) - owner.rows.count(None) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        second_is_here.set()
        for client in (first, second):
            await client.until(Handshake)
        heard = await asyncio.gather(speak(first, user), speak(second, user))
    for (words, sound), visitor in zip(heard, order, strict=True):
        assert words == expected[visitor][0]
        # Rows of one batch differ from a row alone in the last bits.
        length = min(len(sound), len(expected[visitor][1]))
        assert length >= (FRAMES - 1) * FRAME_SAMPLES
        likeness = np.corrcoef(sound[:length], expected[visitor][1][:length])[0, 1]
        assert likeness > 0.999, likeness
