"""Users of a load run: real clips and pauses in turn over the WebSocket, at the pace of real time. A process of its own.

    uv run python -m benchmarks.users --url http://127.0.0.1:7860 --talks 8 --seconds 20 --engine scripted

Prints one JSON object: what came back, and how long finished utterances waited for their words.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from workbench.audio.frames import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_MS, Pcm, silence
from workbench.audio.wav import load_wav
from workbench.protocol import Audio, Metadata
from workbench.wire_client import ChatClient, ChatError

CLIPS = Path(__file__).parents[1] / "tests" / "data" / "audio"
ANSWER_S = 3.0
"""Pause after each clip, for the answer."""


@dataclass
class Heard:
    """What one user got back."""

    messages: int = 0
    dropped_samples: int = 0
    notices: list[str] = field(default_factory=list)
    words_after_ms: list[float] = field(default_factory=list)
    """For each finished utterance: ms from the end of its last word until its words were there."""
    lost: str = ""
    """Why the talk ended before its user hung up."""


def user_sound(seconds: float, seed: int) -> Pcm:
    """Clips with known words in an order of this user's own, each followed by a pause. [n] at 24 kHz."""
    random = np.random.default_rng(seed)
    names = sorted(json.loads((CLIPS / "alignment.json").read_text())["clips"])
    parts = [silence(round(random.uniform(0.2, ANSWER_S) * SAMPLE_RATE))]
    while sum(part.size for part in parts) < seconds * SAMPLE_RATE:
        parts += [load_wav(CLIPS / str(random.choice(names))), silence(round(ANSWER_S * SAMPLE_RATE))]
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE)]


async def user(url: str, engine: str, sound: Pcm) -> Heard:
    """One talk from its handshake to the end of `sound`."""
    heard = Heard()
    async with await ChatClient.connect(url, engine=engine, events=True) as client:
        reading = asyncio.create_task(_read(client, heard))
        try:
            await client.send_paced(sound)
            await client.hang_up()
        except ChatError as error:
            heard.lost = str(error)
        await asyncio.wait({reading}, timeout=10.0)
        reading.cancel()
    return heard


async def _read(client: ChatClient, heard: Heard) -> None:
    async for message in client.receive():
        match message:
            case Audio():
                heard.messages += 1
            case Metadata(type="dropped", data=data):
                heard.dropped_samples += data["samples"]
            case Metadata(type="event", data={"kind": "Notice", "payload": payload}):
                heard.notices.append(payload["code"])
            case Metadata(type="event", data={"kind": "UserText", "payload": {"final": True}} as data):
                heard.words_after_ms.append((data["noticed_samples"] - data["at_samples"]) / SAMPLES_PER_MS)
            case _:
                pass


async def talk(url: str, talks: int, seconds: float, engine: str) -> list[Heard]:
    return await asyncio.gather(*(user(url, engine, user_sound(seconds, seed)) for seed in range(talks)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--talks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--engine", default="scripted")
    options = parser.parse_args()
    heard = asyncio.run(talk(options.url, options.talks, options.seconds, options.engine))
    expected = options.seconds * FRAME_RATE
    print(json.dumps({"expected_messages": expected, "talks": [asdict(one) for one in heard]}))


if __name__ == "__main__":
    main()
