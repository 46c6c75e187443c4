"""An actor for tests of the conversation."""

from __future__ import annotations

from workbench.talk import Talk, Utterance, Verdict


class Taker:
    """An actor that takes utterances with a word in them, and remembers what it was offered."""

    phrases = ()

    def __init__(self, word: str = "") -> None:
        self.word = word
        self.prepared: list[Utterance] = []
        self.offered: list[Utterance] = []
        self.closed: list[str] = []

    def attach(self, talk: Talk) -> None:
        self.talk = talk

    def prepare(self, utterance: Utterance) -> None:
        self.prepared.append(utterance)

    async def offer(self, utterance: Utterance) -> Verdict:
        self.offered.append(utterance)
        if self.word and self.word in utterance.text:
            self.talk.say("taken by the actor")
            return "taken"
        return "left"

    async def close(self, reason: str) -> None:
        self.closed.append(reason)
