"""How words reach the user: the engine's own voice, else the host's voice, else only the card on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from workbench.bridge.hold import Hold
from workbench.events import NoticeDelivered
from workbench.talk import Saying, Talk

Purpose = Literal["question", "filler", "refusal", "apology", "called_off"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """How a text was delivered and how far it got."""

    how: Literal["engine", "host", "card"]
    words_asked: int
    words_heard: int = 0
    interrupted: bool = False
    started_samples: int | None = None
    """Session time of the first audible sample; None when nothing was heard."""


class Delivery:
    """The voice of the bridge in one talk. The card is shown in any case: it hangs on the tool's events, not on a voice."""

    def __init__(self, talk: Talk, hold: Hold) -> None:
        self._talk = talk
        self._hold = hold

    async def deliver(self, text: str, then: Callable[[Delivered], None], *, ends: str | None = None) -> None:
        """Say `text` by the best voice there is, and wait until it is out, cut off or dropped; `then` is told how it went, also when the
        talk ends meanwhile. The host speaks only where the engine dropped the text unheard (it was lost): what the user cut off is not
        said again. Speech ends the agent's hold; afterwards the reasons that are left hold it again. `ends`: the reason that is over
        with this."""
        with self._hold.saying():
            try:
                then(await self._by_best_voice(text, then))
            finally:
                if ends is not None:
                    self._hold.end(ends)

    async def _by_best_voice(self, text: str, then: Callable[[Delivered], None]) -> Delivered:
        words = len(text.split())
        if words and self._talk.can_say:
            delivered = await self._outcome("engine", self._talk.say(text), then)
            if delivered is not None:
                self._hold.engine_spoke()
                return delivered
        if words and self._talk.host_can_say:
            delivered = await self._outcome("host", self._talk.host_say(text), then)
            if delivered is not None:
                return delivered
        return Delivered("card", words)

    async def tell(self, invocation_id: str, tool: str, purpose: Purpose, text: str) -> None:
        """Delivers words about an action that are not its result, and writes down how they got there."""

        def told(delivered: Delivered) -> None:
            self._talk.publish(
                NoticeDelivered,
                at_samples=delivered.started_samples,
                invocation_id=invocation_id,
                tool=tool,
                purpose=purpose,
                text=text,
                how=delivered.how,
                words_asked=delivered.words_asked,
                words_heard=delivered.words_heard,
                interrupted=delivered.interrupted,
            )

        await self.deliver(text, told, ends=invocation_id if purpose == "apology" else None)

    async def _outcome(self, how: Literal["engine", "host"], saying: Saying, then: Callable[[Delivered], None]) -> Delivered | None:
        try:
            await saying.done.wait()
        except asyncio.CancelledError:
            # The talk ends in the middle of it. What was heard so far is all that will be.
            then(Delivered(how, saying.words_asked, saying.words_heard, True, saying.started_samples))
            raise
        if saying.started_samples is None and not saying.interrupted:
            return None
        return Delivered(how, saying.words_asked, saying.words_heard, saying.interrupted, saying.started_samples)
