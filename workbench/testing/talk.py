"""A talk without an engine: it stamps events, and "speaks" at a steady pace on a fast clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from workbench.audio.frames import ms_to_samples, samples_to_ms
from workbench.clock import FastClock, LatencyModel, SessionClock, Signal, fixed
from workbench.events import Event
from workbench.talk import Actor, Observer, Saying, Utterance

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Said:
    """One text that was asked for, by whose voice, and how it went."""

    how: Literal["engine", "host"]
    saying: Saying


class FakeTalk:
    """Implements `workbench.talk.Talk`. Time passes only in `run_ms`; one text is spoken after the other, a word every `word_ms`."""

    def __init__(
        self, *, can_say: bool = True, host_can_say: bool = True, word_ms: float = 300.0, charge: LatencyModel | None = None
    ) -> None:
        self.session_id = "fake-talk"
        self.conversation_id = "fake-conversation"
        self.user = ""
        self.clock: SessionClock = FastClock(charge or fixed({}), latency_model="fixed")
        self.clock.on_failure = self._failed
        self.can_say = can_say
        self.host_can_say = host_can_say
        self.word_ms = word_ms
        self.events: list[Event] = []
        self.said: list[Said] = []
        self.holds: list[float] = []
        self._observers: list[Observer] = []
        self.drop_next = 0
        """So many of the next texts are dropped unheard, as when the engine is lost."""
        self._cut_after: deque[int] = deque()
        self._before: Signal | None = None
        self._utterances = 0
        self._failures: list[BaseException] = []

    @property
    def texts(self) -> list[str]:
        return [said.saying.text for said in self.said]

    def of(self, kind: type[E]) -> list[E]:
        """The published events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def cut_next(self, words: int) -> None:
        """The next text is cut off by the user after so many words."""
        self._cut_after.append(words)

    async def hear(self, actor: Actor, text: str, *, utterance_id: str = "") -> bool:
        """Offers an utterance that ended just now. True when the actor took it."""
        self._utterances += 1
        now = self.clock.now_samples
        return await actor.offer(Utterance(utterance_id or f"u{self._utterances}", text, now, now)) == "taken"

    async def run_ms(self, ms: float) -> None:
        """Lets session time pass, in whole frames. Raises what a task of the talk raised."""
        end = self.clock.now_samples + ms_to_samples(ms)
        while self.clock.now_samples < end:
            await self._tick()

    async def run_until(self, done: Callable[[], bool], limit_ms: float = 120_000) -> None:
        """Lets session time pass until `done()`. Raises AssertionError when that takes longer than `limit_ms`."""
        end = self.clock.now_samples + ms_to_samples(limit_ms)
        while not done():
            if self.clock.now_samples >= end:
                raise AssertionError(f"nothing came of it within {limit_ms:g} ms; now at {samples_to_ms(self.clock.now_samples):g} ms")
            await self._tick()

    def say(self, text: str) -> Saying:
        if not self.can_say:
            raise AssertionError("say was called although the engine cannot speak given words; ask can_say first")
        return self._speak("engine", text)

    def host_say(self, text: str) -> Saying:
        if not self.host_can_say:
            raise AssertionError("host_say was called although there is no host voice; ask host_can_say first")
        return self._speak("host", text)

    def hold(self, max_ms: float) -> None:
        self.holds.append(max_ms)

    def publish(self, event: type[E], /, *, at_samples: int | None = None, **fields: Any) -> E:
        now = self.clock.now_samples
        stamped = event(at_samples=now if at_samples is None else at_samples, noticed_samples=now, **fields)
        self.events.append(stamped)
        for observer in self._observers:
            observer.on_event(stamped)
        return stamped

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def _tick(self) -> None:
        await self.clock.next_tick()
        if self._failures:
            raise self._failures[0]

    def _failed(self, _name: str, error: BaseException) -> None:
        self._failures.append(error)

    def _speak(self, how: Literal["engine", "host"], text: str) -> Saying:
        saying = Saying(text, self.clock.signal(), words_asked=len(text.split()))
        self.said.append(Said(how, saying))
        before, self._before = self._before, saying.done
        self.clock.spawn(self._words(saying, before), "fake voice")
        return saying

    async def _words(self, saying: Saying, before: Signal | None) -> None:
        if before is not None:
            await before.wait()
        if self.drop_next:
            self.drop_next -= 1
            saying.done.set()
            return
        cut = self._cut_after.popleft() if self._cut_after else saying.words_asked
        for _word in range(min(cut, saying.words_asked)):
            if saying.started_samples is None:
                saying.started_samples = self.clock.now_samples
            await self.clock.sleep_ms(self.word_ms)
            saying.words_heard += 1
        saying.interrupted = saying.words_heard < saying.words_asked
        saying.done.set()
