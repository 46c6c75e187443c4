"""Users of a load run: real clips and pauses in turn over the WebSocket, at the pace of real time. A process of its own.

    uv run python -m benchmarks.users --url http://127.0.0.1:7860 --talks 8 --seconds 20 --query engine=scripted

Works against a workbench and against a PersonaPlex gateway. Prints one JSON object: what came back, and how long finished utterances
waited for their words. With `--same` all users say the same, encoded beforehand and begun at different moments: a user then costs little
CPU, which long runs with many talks need for the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.audio.frames import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE, SAMPLES_PER_MS, Pcm, silence
from workbench.audio.opus import OpusWriter
from workbench.audio.wav import load_wav
from workbench.protocol import Audio, Metadata
from workbench.wire_client import ChatClient, ChatError

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "audio"
ANSWER_S = 3.0
"""Pause after each clip, for the answer."""

Query = Mapping[str, Any]


@dataclass
class Heard:
    """What one user got back."""

    messages: int = 0
    """Messages with sound: one for each 80 ms."""
    stalls: int = 0
    """Messages that came more than 160 ms after the one before: 80 ms too late."""
    dropped_samples: int = 0
    notices: list[str] = field(default_factory=list)
    words_after_ms: list[float] = field(default_factory=list)
    """For each finished utterance: ms from the end of its last word until its words were there."""
    lost: str = ""
    """Why the talk ended before its user hung up."""


def user_sound(seconds: float, seed: int) -> Iterator[Pcm]:
    """Clips with known words in an order of this user's own, each with the pause after it. [n] at 24 kHz, `seconds` in all."""
    random = np.random.default_rng(seed)
    names = sorted(json.loads((CLIPS / "alignment.json").read_text())["clips"])
    left = round(seconds * SAMPLE_RATE)
    piece = silence(round(random.uniform(0.2, ANSWER_S) * SAMPLE_RATE))
    while left > 0:
        yield piece[:left]
        left -= piece.size
        piece = np.concatenate([load_wav(CLIPS / str(random.choice(names))), silence(round(ANSWER_S * SAMPLE_RATE))])


def encode(sound: Iterable[Pcm]) -> Iterator[bytes]:
    """Ogg/Opus, a piece for each frame of 80 ms."""
    writer, rest = OpusWriter(), silence(0)
    for piece in sound:
        rest = np.concatenate([rest, piece])
        whole = rest.size // FRAME_SAMPLES * FRAME_SAMPLES
        for at in range(0, whole, FRAME_SAMPLES):
            yield writer.append(rest[at : at + FRAME_SAMPLES])
        rest = rest[whole:]


async def user(url: str, query: Query, sound: Iterable[bytes], begins_s: float = 0.0) -> Heard:
    """One talk from its handshake to the end of `sound`, begun `begins_s` from now."""
    heard = Heard()
    await asyncio.sleep(begins_s)
    try:
        client = await ChatClient.connect(url, events=True, **query)
    except ChatError as error:
        heard.lost = str(error)
        return heard
    async with client:
        reading = asyncio.create_task(_read(client, heard))
        try:
            began_s = time.monotonic()
            for number, frame in enumerate(sound, start=1):
                await client.send(Audio(frame))
                await asyncio.sleep(max(0.0, began_s + number / FRAME_RATE - time.monotonic()))
            await client.hang_up()
        except ChatError as error:
            heard.lost = str(error)
        await asyncio.wait({reading}, timeout=10.0)
        if reading.done():
            # A reader that failed would look like a server that hangs.
            reading.result()
        reading.cancel()
    return heard


async def _read(client: ChatClient, heard: Heard) -> None:
    last_s = None
    async for message in client.receive():
        match message:
            case Audio():
                now_s = time.monotonic()
                heard.messages += 1
                heard.stalls += last_s is not None and now_s - last_s > 2 / FRAME_RATE
                last_s = now_s
            case Metadata(type="dropped", data={"samples": samples}):
                heard.dropped_samples += samples
            case Metadata(type="event", data={"kind": "Notice", "payload": payload}):
                heard.notices.append(payload["code"])
            case Metadata(type="event", data={"kind": "UserText", "payload": {"final": True}} as data):
                heard.words_after_ms.append((data["noticed_samples"] - data["at_samples"]) / SAMPLES_PER_MS)
            case _:
                pass


async def talk(url: str, talks: int, seconds: float, query: Query, *, same: bool) -> list[Heard]:
    if not same:
        return await asyncio.gather(*(user(url, query, encode(user_sound(seconds, seed))) for seed in range(talks)))
    sound = list(encode(user_sound(seconds, seed=0)))
    begins_s = np.random.default_rng(0).uniform(0, ANSWER_S, talks)
    return await asyncio.gather(*(user(url, query, sound, float(begin_s)) for begin_s in begins_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--talks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--query", action="append", default=[], metavar="NAME=VALUE", help="of the address, such as engine=scripted")
    parser.add_argument("--same", action="store_true", help="all say the same, encoded beforehand")
    options = parser.parse_args()
    query = dict(given.split("=", 1) for given in options.query)
    heard = asyncio.run(talk(options.url, options.talks, options.seconds, query, same=options.same))
    expected = options.seconds * FRAME_RATE
    print(json.dumps({"expected_messages": expected, "talks": [asdict(one) for one in heard]}))


if __name__ == "__main__":
    main()
