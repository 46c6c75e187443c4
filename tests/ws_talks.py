"""A live user over the WebSocket: plays a clip in real time and keeps everything that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import soundfile

from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, from_int16
from workbench.audio.opus import OpusReader, OpusWriter
from workbench.events import Event
from workbench.protocol import Audio, ErrorMessage, Metadata, Text
from workbench.store import queries
from workbench.store.base import Store
from workbench.wire_client import ChatClient

E = TypeVar("E", bound=Event)


@dataclass
class WsTalk:
    """One talk. `async with WsTalk(url, engine="scripted") as talk: await talk.play(clip)`; leaving it hangs up and reads to the end."""

    url: str
    engine: str = "scripted"
    recording: bool | None = None
    open_within_s: float = 30.0
    session_id: str = ""
    events: list[Event] = field(default_factory=list)
    sound: list[Pcm] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    errors: list[ErrorMessage] = field(default_factory=list)
    dropped_samples: int = 0

    async def __aenter__(self) -> Self:
        self.client = await ChatClient.connect(
            self.url, timeout_s=self.open_within_s, engine=self.engine, events=True, recording=self.recording
        )
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if kind is None and not self._reading.done():
            await self.client.hang_up()
            await asyncio.wait_for(self._reading, 15.0)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.client.close()

    @property
    def heard(self) -> Pcm:
        """The agent's sound so far, [n] at 24 kHz."""
        return np.concatenate(self.sound) if self.sound else np.zeros(0, np.float32)

    @property
    def heard_frames(self) -> int:
        """Whole frames of the agent so far: the ticks of the talk that its listener knows of."""
        return sum(part.size for part in self.sound) // FRAME_SAMPLES

    @property
    def over(self) -> bool:
        """The server has closed."""
        return self._reading.done()

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def play(self, clip: Pcm) -> None:
        """The user says `clip`, at the pace of real time."""
        await self.client.send_paced(clip)

    async def until(self, holds: Callable[[], object], limit_s: float = 30.0) -> None:
        """Waits for messages until `holds()`. Raises AssertionError when that takes too long or the server closes."""
        try:
            async with asyncio.timeout(limit_s):
                while not holds():
                    self._changed.clear()
                    assert not self._reading.done(), f"the server closed ({self.client.close_reason}), {self.errors}"
                    await self._changed.wait()
        except TimeoutError as error:
            raise AssertionError(f"nothing came of it within {limit_s:g} s; last events: {self.events[-5:]}") from error

    async def _read(self) -> None:
        async for message in self.client.receive():
            match message:
                case Audio():
                    self.sound.append(self.client.decode_audio(message))
                case Text(text):
                    self.words.append(text)
                case Metadata(type="opened", data=data):
                    self.session_id = data["session_id"]
                case Metadata(type="event", data=data):
                    self.events.append(events.restore(data["kind"], data["at_samples"], data["noticed_samples"], data["payload"]))
                case Metadata(type="dropped", data=data):
                    self.dropped_samples += data["samples"]
                case ErrorMessage():
                    self.errors.append(message)
                case _:
                    pass
            self._changed.set()
        self._changed.set()


def check_whole(store: Store, data_dir: Path, talk: WsTalk, said: Pcm) -> None:
    """Every tick, every event and every sample of a talk with the scripted engine was kept, and its user hung up."""
    session = queries.get_session(store, talk.session_id)
    assert session is not None
    assert (session["ended_reason"], session["engine"], session["transport"]) == ("hung_up", "scripted", "websocket")
    kept = queries.read_events(store, talk.session_id)
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    assert ticks == list(range(1, len(ticks) + 1)), "a tick is missing"
    assert talk.heard_frames <= len(ticks) <= talk.heard_frames + 2, "what was played did not come to the listener"
    assert not [event for event in kept if isinstance(event, events.AudioLost)]
    assert {turn["speaker"] for turn in session["turns"]} == {"user", "agent"}
    assert {type(event) for event in kept} >= {events.UserText, events.AgentText, events.UserSpeech, events.SessionClosed}
    stereo, rate = soundfile.read(data_dir / "audio" / f"{talk.session_id}.flac", dtype="int16")
    assert rate == SAMPLE_RATE
    assert len(stereo) == len(ticks) * FRAME_SAMPLES
    assert found_share(said, from_int16(stereo[:, 0])) == 1.0, "some of the user's words are not on the user's stem"


def found_share(said: Pcm, stem: Pcm, *, window_s: float = 0.25, within_s: float = 1.0) -> float:
    """The share of the loud windows of what a user said that are on the user's stem, each near the place of the one before.

    The server hears what Opus leaves of `said`; with the same bytes that is the same sound, so a window counts as found where the
    normalised cross-correlation reaches 0.9. A correction of the timeline (20 ms) or a packet that came late puts silence into the
    middle of one; such a window counts when three of its quarters are found.
    """
    writer, reader = OpusWriter(), OpusReader()
    frames = [said[at : at + FRAME_SAMPLES] for at in range(0, said.size, FRAME_SAMPLES)]
    sent = np.concatenate([reader.append(writer.append(frame)) for frame in frames])
    size, spread = round(window_s * SAMPLE_RATE), round(within_s * SAMPLE_RATE)
    loud = [at for at in range(0, sent.size - size, size) if np.sqrt(np.mean(np.square(sent[at : at + size]))) > 0.01]
    offset, found = None, 0
    for at in loud:
        window = sent[at : at + size]
        low = 0 if offset is None else max(0, at + offset - spread)
        near = stem[low:] if offset is None else stem[low : at + offset + size + spread]
        place, likeness = _best_match(window, near)
        if likeness >= 0.9:
            offset = low + place - at
            found += 1
        else:
            found += sum(_best_match(quarter, near)[1] >= 0.9 for quarter in np.split(window, 4)) >= 3
    return found / len(loud)


def _best_match(piece: Pcm, within: Pcm) -> tuple[int, float]:
    """Where `piece` fits best, and the correlation there, 0 to 1."""
    if within.size < piece.size:
        return 0, 0.0
    length = 1 << int(np.ceil(np.log2(within.size + piece.size)))
    spectrum = np.fft.rfft(within.astype(np.float64), length) * np.conj(np.fft.rfft(piece.astype(np.float64), length))
    products = np.fft.irfft(spectrum, length)[: within.size - piece.size + 1]
    sums = np.concatenate([[0.0], np.cumsum(np.square(within, dtype=np.float64))])
    # Where the sound is digital silence the difference of the sums is rounding noise of either sign.
    energies = np.maximum(sums[piece.size :] - sums[: -piece.size], 1e-6)
    likeness = products / np.sqrt(energies * np.sum(np.square(piece, dtype=np.float64)))
    place = int(np.argmax(likeness))
    return place, float(likeness[place])
