"""How words reach the user: the engine's own voice, else the host's voice, else only the card on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.talk import Saying, Talk


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
    """The voice of the bridge in one talk. The card is shown in any case: it hangs on `ToolFinished`, not on a voice."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    async def deliver(self, text: str) -> Delivered:
        """Say `text` by the best voice there is, and wait until it is out, cut off or dropped. The host speaks only where the engine
        dropped the text unheard (it was lost): what the user cut off is not said again."""
        if self._talk.can_say:
            delivered = await self._outcome("engine", self._talk.say(text))
            if delivered is not None:
                return delivered
        if self._talk.host_can_say:
            delivered = await self._outcome("host", self._talk.host_say(text))
            if delivered is not None:
                return delivered
        # Nobody will end the agent's hold by speaking.
        self._talk.hold(0)
        return Delivered("card", len(text.split()))

    async def _outcome(self, how: Literal["engine", "host"], saying: Saying) -> Delivered | None:
        await saying.done.wait()
        if saying.started_samples is None and not saying.interrupted:
            return None
        if how == "host":
            self._talk.hold(0)
        return Delivered(how, saying.words_asked, saying.words_heard, saying.interrupted, saying.started_samples)
