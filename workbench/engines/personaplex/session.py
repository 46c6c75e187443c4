"""One talk's share of a PersonaPlex server."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm, silence
from workbench.audio.opus import CodecError
from workbench.clock import SessionClock
from workbench.engines.base import AgentFrame, Capabilities, EngineError, Part, Stage, Stopped
from workbench.engines.personaplex.playout import PlayedFrame, Playout
from workbench.engines.personaplex.sayings import Sayings
from workbench.pieces import PieceJoiner
from workbench.protocol import Audio, ErrorMessage, Message, Metadata, Text
from workbench.talk import Saying, Utterance
from workbench.wire_client import ChatClient, ChatError

DEADLINE_S = 0.06
"""How long a tick waits for its reply in real time: 80 ms less what the talk itself needs in a tick."""
FAST_PATIENCE_S = 4.0
"""How long a tick waits where time stands still for it; below the 5 s after which a talk gives up any engine without a reason."""
STALL_S = 5.0
"""A server that has given no sound for so long is dead: each of our frames is answered with one of its own."""
LAST_WORDS_S = 1.0
"""How long the reason for a broken connection, which may still be unread, is waited for."""

OURS = Capabilities(full_duplex=True, can_say=True, can_interrupt=True, can_hold=True, takes_text=False, can_resume=True)
ANY_SERVER = Capabilities(full_duplex=True, can_say=False, can_interrupt=False, can_hold=False, takes_text=False, can_resume=True)


class PersonaPlexSession:
    """Sends the user's frames and plays the persona's. Implements `EngineSession`.

    A reply that is not there in time leaves a gap, and is then played late: the talk is behind the server until a pause of the persona
    lets it catch up. Gaps, frames dropped and frames skipped are counted, and the first gap is told.
    """

    def __init__(
        self,
        client: ChatClient,
        clock: SessionClock,
        *,
        address: str,
        capabilities: Capabilities,
        parts: Mapping[str, Part],
        notices: Sequence[str],
        deadline_s: float,
        on_close: Callable[[PersonaPlexSession], None],
    ) -> None:
        """`client` has had its handshake. `address`: the server, for messages."""
        self.capabilities = capabilities
        self.parts = parts
        self.notices = list(notices)
        self.stages: list[Stage] = []
        self.late_frames = 0
        """Ticks whose reply was not there in time."""
        self.playout = Playout()
        self._client = client
        self._clock = clock
        self._address = address
        self._deadline_s = deadline_s if clock.pace == "realtime" else FAST_PATIENCE_S
        self._on_close: Callable[[PersonaPlexSession], None] | None = on_close
        self._sayings = Sayings(clock)
        self._orders: list[Metadata] = []
        self._told: set[str] = set()
        self._forced_next = False
        self._joiner = PieceJoiner()
        self._ending = ""
        self._heard_s = time.monotonic()
        self._arrived = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(), name="personaplex-listen")
        self._listening.add_done_callback(lambda _task: self._arrived.set())

    async def step(self, user: Pcm) -> AgentFrame:
        """Raises EngineError when the server has ended the talk, is gone, or gave no sound for `STALL_S`."""
        at_samples = self._clock.now_samples // FRAME_SAMPLES * FRAME_SAMPLES
        self.playout.catch_up()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._send(user)
                frame = await self._next_frame()
        except TimeoutError:
            self._gap()
            return AgentFrame(silence())
        self._sayings.played(frame, at_samples)
        for call in frame.afterwards:
            call()
        return AgentFrame(frame.pcm, frame.pieces)

    async def _send(self, user: Pcm) -> None:
        """Orders first, so that the server obeys before it hears this frame. A socket takes minutes of sound before it holds us up."""
        orders, self._orders = self._orders, []
        try:
            for order in orders:
                await self._client.send(order)
            await self._client.send_pcm(user)
        except ChatError as error:
            await asyncio.wait({self._listening}, timeout=LAST_WORDS_S)
            raise self._loss() from error

    async def _next_frame(self) -> PlayedFrame:
        while (frame := self.playout.take()) is None:
            if self._listening.done():
                raise self._loss() from self._listening.exception()
            self._arrived.clear()
            await self._arrived.wait()
        return frame

    def _gap(self) -> None:
        if self._clock.pace == "fast":
            raise EngineError(f"{self._address} gave no frame for {FAST_PATIENCE_S:.0f} s; see its log.")
        silent_s = time.monotonic() - self._heard_s
        if silent_s > STALL_S:
            raise EngineError(f"{self._address} gave no sound for {silent_s:.0f} s; see its log.")
        self.late_frames += 1
        self._tell_once(
            "late",
            f"A reply of {self._address} took longer than {self._deadline_s * 1_000:.0f} ms. There are gaps of {FRAME_MS} ms where that "
            "happens: the server or the network is too slow for this talk.",
        )

    def prepare(self, utterance: Utterance) -> None:
        """PersonaPlex hears for itself."""

    def answer(self, utterance: Utterance) -> None:
        """PersonaPlex answers by itself."""

    def took(self, utterance: Utterance) -> None:
        """PersonaPlex heard the words; there is no way to tell it more."""

    def say(self, text: str) -> Saying:
        """Raises EngineError where the server cannot."""
        self._check(self.capabilities.can_say, "be given words to say")
        say_id, saying = self._sayings.add(text)
        self._orders.append(Metadata("say", {"id": say_id, "text": text}))
        return saying

    def interrupt(self) -> Stopped:
        """Drops what is to be said; the persona's own words go on once the gateway's hold is over."""
        self._check(self.capabilities.can_interrupt, "be interrupted")
        self._orders.append(Metadata("interrupt"))
        return self._sayings.stopped()

    def hold(self, max_ms: float) -> None:
        self._check(self.capabilities.can_hold, "be held")
        self._orders.append(Metadata("hold", {"max_ms": max_ms}))

    def tell_account(self, text: str) -> None:
        """Part of the prompt with which a gateway of ours renews the persona's memory; NVIDIA's server never does."""
        if self.capabilities.can_say:
            self._orders.append(Metadata("account", {"text": text}))

    async def close(self) -> None:
        if self._on_close is None:
            return
        self._on_close(self)
        self._on_close = None
        self._sayings.lost()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._client.close()

    def _check(self, able: bool, what: str) -> None:
        if not able:
            raise EngineError(f"{self._address} cannot {what}: it is no gateway of ours. Ask the capabilities first.")

    def _loss(self) -> EngineError:
        why = self._ending or f"the connection broke ({self._client.close_reason or 'without a word'})"
        return EngineError(f"{self._address} ended the talk: {why}")

    async def _listen(self) -> None:
        async with aclosing(self._client.receive()) as messages:
            async for message in messages:
                self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case Audio():
                self._hear(message)
            case Text(text):
                # NVIDIA's server sends the bytes of a rare sign one by one; ours puts them together itself.
                if words := self._joiner.add(text):
                    self.playout.piece(words, forced=self._forced_next)
                    self._forced_next = False
            case Metadata(kind, data):
                self._note(kind, data)
            case ErrorMessage(_, text):
                self._ending = text
            case _:
                pass

    def _hear(self, message: Audio) -> None:
        self._heard_s = time.monotonic()
        try:
            self.playout.sound(self._client.decode_audio(message))
        except CodecError as error:
            self._tell_once("sound", f"Sound of {self._address} could not be decoded: {error}")
        if self.playout.dropped:
            self._tell_once("dropped", f"The sound of {self._address} came in too late and in bursts; some of it was left out.")
        self._arrived.set()

    def _note(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the gateway tells. Read with care: it is another program's word."""
        match kind:
            case "forced":
                self._forced_next = True
            case "said":
                heard = data.get("words_heard")
                self.playout.afterwards(
                    functools.partial(
                        self._sayings.over,
                        str(data.get("id")),
                        heard if isinstance(heard, int) else 0,
                        interrupted=data.get("interrupted") is True,
                    )
                )
            case "refused":
                what = "A text was not said" if self._sayings.refused(str(data.get("id"))) else "An order was not obeyed"
                self.notices.append(f"{what}: {data.get('message')}")
            case "rolled_over":
                how = "in the middle of the talk, since no pause came" if data.get("forced") is True else "in a pause"
                self.notices.append(f"The persona's memory was full and was renewed {how}; it knows what came before only in short.")
            case "account_refused":
                self.notices.append(f"The persona was not told what was said before: {data.get('message')}")
            case "dropped":
                whose = "The persona's sound" if "samples" in data else "Your sound"
                self._tell_once(f"dropped {whose}", f"{whose} is late at {self._address}; some of it was left out.")
            case "bad_audio":
                self._tell_once("bad_audio", f"{self._address} could not decode your sound: {data.get('message')}")
            case "closed":
                self._ending = self._ending or str(data.get("message") or data.get("reason"))
            case _:
                pass

    def _tell_once(self, subject: str, message: str) -> None:
        if subject not in self._told:
            self._told.add(subject)
            self.notices.append(message)
