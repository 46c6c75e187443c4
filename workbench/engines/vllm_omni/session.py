"""One talk's share of a vLLM-Omni server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence

from workbench.audio.frames import FRAME_MS, Pcm, samples_to_ms, silence
from workbench.engines.base import AgentFrame, Capabilities, EngineError, Part, Stage, Stopped
from workbench.engines.personaplex.playout import Playout
from workbench.engines.vllm_omni.connection import Address, Connection, Opened, take_up
from workbench.engines.vllm_omni.events import BadEvent, Event, append, played, readable, sound
from workbench.pieces import PieceJoiner, parts_of
from workbench.talk import Saying, Utterance

SEND_S = 0.06
"""How long a tick waits for the socket in real time: 80 ms less what the talk itself needs in a tick."""
BURST_FRAMES = 5
"""Sound comes in pieces of so many frames (`codec_chunk_frames` of the server's deploy/personaplex.yaml); so many may wait to be played."""
MOST_FRAMES = 15
"""More than this is dropped, oldest first: 1.2 s, three bursts late."""
FIRST_SOUND_S = 30.0
"""The first sound comes after the voice and the persona were read in."""
STALL_S = 5.0
"""PersonaPlex answers every frame with sound, silent or not; a server that gave none for so long is dead."""
HEARTBEAT_S = 15.0
RESUME_S = 5.0
"""How long a broken connection may take to be there again. The server keeps its session for 30 s, but a talk does not wait so long."""

CAPABILITIES = Capabilities(full_duplex=True, can_say=False, can_interrupt=False, can_hold=False, takes_text=False, can_resume=True)
"""`response.cancel` is no interruption: it begins the persona's context anew. `can_resume`: with an account, in a new session."""


class VllmOmniSession:
    """Sends the user's frames as they come and plays what has come. Implements `EngineSession`.

    A connection that breaks is taken up again where the server can (`supports_session_resume`); the user's sound of that time is lost, and
    told. Where it cannot, the engine is lost, and the talk opens it again with an account of what was said.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        address: Address,
        connection: Connection,
        opened: Opened,
        *,
        parts: Mapping[str, Part],
        notices: Sequence[str],
        on_close: Callable[[VllmOmniSession], None],
    ) -> None:
        self.parts = parts
        self.notices = list(notices)
        self.stages: list[Stage] = []
        self.late_frames = 0
        """Ticks in which the sound of a response was not there in time."""
        self.playout = Playout(waiting=BURST_FRAMES, most=MOST_FRAMES)
        self._address = address
        self._connection = connection
        self._opened = opened
        self._seq = opened.seq
        self._on_close: Callable[[VllmOmniSession], None] | None = on_close
        self._joiner = PieceJoiner()
        self._held: tuple[Pcm, str, str] | None = None
        """Sound whose words have not come yet: they follow it, and begin with it."""
        self._heard: dict[str, int] = {}
        """Samples of each response that have come."""
        self._acks: dict[str, tuple[str, int]] = {}
        """By response: its item, and how far it was played."""
        self._speaking = False
        self._ending = ""
        self._told: set[str] = set()
        self._lost_frames = 0
        self._sounded_s = self._beaten_s = time.monotonic()
        self._patience_s = FIRST_SOUND_S
        self._attached = True
        self._listening = asyncio.create_task(self._listen(), name="vllm-omni-listen")

    async def step(self, user: Pcm) -> AgentFrame:
        """Raises EngineError when the server has ended the talk, is gone, or gave no sound for `STALL_S`."""
        if self._listening.done():
            raise EngineError(f"{self._address.shown} ended the talk: {self._ending}")
        if self._attached:
            await self._send(user)
        else:
            self._lost_frames += 1
        self._release()
        self.playout.catch_up()
        frame = self.playout.take()
        if frame is None:
            self._gap()
            return AgentFrame(silence())
        for call in frame.afterwards:
            call()
        return AgentFrame(frame.pcm, frame.pieces)

    async def _send(self, user: Pcm) -> None:
        acks, self._acks = self._acks, {}
        orders = [played(response, item, ms) for response, (item, ms) in acks.items()] if self._opened.acknowledges else []
        now_s = time.monotonic()
        if now_s - self._beaten_s > HEARTBEAT_S:
            self._beaten_s = now_s
            orders.append({"type": "session.heartbeat"})
            if self._opened.resumable:
                orders.append({"type": "session.event_ack", "server_event_seq": self._seq})
        try:
            async with asyncio.timeout(SEND_S):
                for order in orders:
                    await self._connection.send(order)
                await self._connection.send(append(user))
        except TimeoutError:
            self._tell_once("slow", f"{self._address.shown} takes your sound more slowly than you speak; some of it is late.")
        except EngineError:
            # What the end of the connection means is found out by the one who listens to it.
            self._lost_frames += 1

    def _gap(self) -> None:
        silent_s = time.monotonic() - self._sounded_s
        if self._attached and silent_s > self._patience_s:
            raise EngineError(f"{self._address.shown} gave no sound for {silent_s:.0f} s; see its log.")
        if self._speaking:
            self.late_frames += 1
        if self.late_frames > BURST_FRAMES:  # The first piece is one frame long, so that some gaps before the second belong to it.
            self._tell_once(
                "late",
                f"Sound of {self._address.shown} came too late. There are gaps of {FRAME_MS} ms where that happens: the server or the "
                "network is too slow for this talk.",
            )

    def prepare(self, utterance: Utterance) -> None:
        """PersonaPlex hears for itself."""

    def answer(self, utterance: Utterance) -> None:
        """PersonaPlex answers by itself."""

    def took(self, utterance: Utterance) -> None:
        """PersonaPlex heard the words; there is no way to tell it more."""

    def say(self, text: str) -> Saying:
        raise EngineError("vLLM-Omni's protocol has no way to give PersonaPlex words to say. Ask the capabilities first.")

    def interrupt(self) -> Stopped:
        raise EngineError("vLLM-Omni cannot interrupt PersonaPlex without beginning its context anew. Ask the capabilities first.")

    def hold(self, max_ms: float) -> None:
        raise EngineError("vLLM-Omni's protocol has no way to hold PersonaPlex. Ask the capabilities first.")

    def tell_account(self, text: str) -> None:
        """There is no message for it."""

    async def close(self) -> None:
        if self._on_close is None:
            return
        self._on_close(self)
        self._on_close = None
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        # Where it is gone already, or does not listen, closing the socket is all that is left.
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(SEND_S):
                await self._connection.send({"type": "session.close"})
        await self._connection.close()

    async def _listen(self) -> None:
        """Until the session is over; `_ending` says why then."""
        while True:
            async for event in self._connection.events():
                if isinstance(event, BadEvent):
                    self._tell_once("bad", f"{self._address.shown} sent what is no event ({event}); it is passed over.")
                else:
                    self._take(event)
                if self._ending:
                    return
            why = f"the connection broke ({self._connection.close_reason})"
            if not self._opened.resumable:
                self._ending = why
                return
            self._attached = False
            try:
                async with asyncio.timeout(RESUME_S):
                    self._connection, token = await take_up(self._address, self._opened, self._seq)
            except (EngineError, TimeoutError) as error:
                self._ending = f"{why}, and it could not be taken up again: {error or f'no answer within {RESUME_S:g} s'}"
                return
            # Each token is good for one attachment.
            self._opened = dataclasses.replace(self._opened, token=token)
            self._attached = True
            lost_ms, self._lost_frames = self._lost_frames * FRAME_MS, 0
            self.notices.append(
                f"The connection to {self._address.shown} broke and was taken up again; {lost_ms} ms of your sound were lost."
            )

    def _take(self, event: Event) -> None:
        if event.seq is not None:
            if event.seq <= self._seq:
                return  # Replayed after a break, and known.
            self._seq = event.seq
        match event.kind:
            case "response.created":
                self._joiner = PieceJoiner()
            case "response.output_audio.delta":
                self._hear(event)
            case "response.output_audio_transcript.delta":
                self._word(event)
            case "response.output_audio.done" | "response.done":
                self._release()
                self._speaking = False
                if event.kind == "response.done":
                    self._heard.pop(event.text("response_id"), None)
                if event.at("response", "status") == "failed":
                    reason = event.text("response", "status_details", "reason") or "it did not say why"
                    self._tell_once("failed", f"A response of {self._address.shown} failed: {reason}.")
            case "error":
                code, message = event.error
                self._tell_once(f"error {code}", f"{self._address.shown} told an error: {message or 'it did not say which'} ({code})")
            case "session.closed" | "session.expired" | "session.replaced" | "session.resync_required":
                self._ending = event.text("reason") or event.kind
            case _:
                pass

    def _hear(self, event: Event) -> None:
        self._release()
        try:
            pcm = sound(event)
        except BadEvent as bad:
            self._tell_once("sound", f"Sound of {self._address.shown} could not be played: {bad}.")
            return
        self._sounded_s, self._patience_s, self._speaking = time.monotonic(), STALL_S, True
        self._held = pcm, event.text("response_id"), event.text("item_id")

    def _word(self, event: Event) -> None:
        delta = event.at("delta")
        if isinstance(delta, str):
            for part in parts_of(readable(delta)):
                if words := self._joiner.add(part):
                    self.playout.piece(words, forced=False)
        self._release()

    def _release(self) -> None:
        """Gives the sound that waits for its words to the playout."""
        if self._held is None:
            return
        (pcm, response, item), self._held = self._held, None
        self.playout.sound(pcm)
        if self.playout.dropped:
            self._tell_once("dropped", f"The sound of {self._address.shown} came in too late and in bursts; some of it was left out.")
        if response:
            self._heard[response] = self._heard.get(response, 0) + pcm.size
            self.playout.afterwards(functools.partial(self._played, response, item, int(samples_to_ms(self._heard[response]))))

    def _played(self, response: str, item: str, ms: int) -> None:
        self._acks[response] = item, ms

    def _tell_once(self, subject: str, message: str) -> None:
        if subject not in self._told:
            self._told.add(subject)
            self.notices.append(message)
