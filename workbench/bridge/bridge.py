"""The one actor of a talk: every finished utterance is classified once, decided once, and acted on at most once."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence

from workbench.audio.frames import ms_to_samples, samples_to_ms
from workbench.bridge.delivery import Delivery
from workbench.bridge.intent import Classifier, Intent
from workbench.bridge.invocation import NOT_WORKED, Invocation, Order, Timing
from workbench.bridge.policy import Decision, Pending, decide
from workbench.bridge.registry import MAX_PHRASES, Registry
from workbench.bridge.replies import REPLY_PHRASES
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.tasks import Tasks
from workbench.bridge.tool import ToolError
from workbench.events import IntentFound, StageTiming, ToolConfirmed, ToolFailed, ToolProposed, ToolRefused
from workbench.talk import Talk, Utterance

logger = logging.getLogger(__name__)

CALLED_OFF = "Okay, I will not do it."
STOPPED = "Okay, never mind."
STOPPED_LATE = "Okay, I stopped waiting for it, but it may have been done already."


class Bridge:
    """Implements `workbench.talk.Actor` for one talk.

    `allowed` are the persona's tool names (`*` = all), `names` what the persona is called. An action that waits for the user's word
    belongs to this talk and outlives a change of engine.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        allowed: Sequence[str] = ("*",),
        names: Sequence[str] = (),
        classifier: Classifier | None = None,
        timing: Timing | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._registry = registry
        self._names = tuple(allowed)
        self._allowed = registry.allowed(allowed)
        self._rules = RulesClassifier(registry, names)
        self._classifier = classifier or self._rules
        self._timing = timing or Timing()
        self._new_id = new_id
        self._decided: dict[str, bool] = {}
        self._pending: Pending | None = None
        self._running: list[Invocation] = []
        self._closed = False

    @property
    def phrases(self) -> Sequence[str]:
        """Phrases for a closed grammar: those of the persona's tools, and the words of confirming and calling off."""
        own = self._registry.phrases(self._names, MAX_PHRASES - len(REPLY_PHRASES))
        return (*own, *REPLY_PHRASES) if own else ()

    @property
    def pending(self) -> Pending | None:
        """The action that waits for the user's word, for the page."""
        return self._pending

    def attach(self, talk: Talk) -> None:
        self._talk = talk
        self._tasks = Tasks(talk.clock)
        self._delivery = Delivery(talk)

    async def offer(self, utterance: Utterance) -> bool:
        """Decides about an utterance. The same id offered again gets the first answer, and nothing happens a second time."""
        if utterance.utterance_id in self._decided:
            logger.warning("utterance %s was offered twice; the second offer is ignored", utterance.utterance_id)
            return self._decided[utterance.utterance_id]
        self._decided[utterance.utterance_id] = False
        if self._closed:
            return False
        decision = self._decide(await self._classify(utterance), utterance)
        logger.debug("utterance %s: %s, because %s", utterance.utterance_id, decision.act, decision.reason)
        taken = self._act(decision, utterance)
        self._decided[utterance.utterance_id] = taken
        return taken

    async def close(self, reason: str) -> None:
        self._closed = True
        self._refuse_pending(f"the talk ended: {reason}")
        for invocation in self._running:
            invocation.cancel(f"the talk ended: {reason}")
        await self._tasks.close()

    async def _classify(self, utterance: Utterance) -> Intent:
        began_s = time.perf_counter()
        intent = await self._classifier.classify(utterance.text, self._waiting_tool())
        took_ms = (time.perf_counter() - began_s) * 1_000
        self._talk.publish(
            IntentFound,
            utterance_id=utterance.utterance_id,
            intent=intent.kind,
            tool=intent.tool,
            arguments=dict(intent.arguments),
            confidence=intent.confidence,
            source=intent.source,
            duration_ms=took_ms,
        )
        self._stage(utterance, "intent", took_ms)
        return intent

    def _decide(self, intent: Intent, utterance: Utterance) -> Decision:
        known = {tool.name: tool for tool in self._registry}
        pending = self._pending
        return decide(
            intent,
            utterance.text,
            known.get(intent.tool or ""),
            pending=pending,
            running=bool(self._running),
            allowed=self._allowed,
            action_words=self._rules.action_words(pending.tool.name) if pending else (),
        )

    def _act(self, decision: Decision, utterance: Utterance) -> bool:
        match decision.act:
            case "leave":
                return False
            case "abort":
                self._abort(decision.reason)
                return True
            case "ask_again":
                self._speak(decision.say)
                return True
            case "confirm":
                self._confirm(decision, utterance)
                return True
        tool = decision.tool
        if tool is None:
            raise AssertionError(f"the policy decided to {decision.act} without naming a tool")
        if decision.act == "deny":
            self._talk.publish(ToolRefused, invocation_id=self._new_id(), tool=tool.name, reason=decision.reason)
            self._speak(decision.say)
            return bool(decision.say)
        order = Order(self._new_id(), utterance.utterance_id, tool, dict(decision.arguments), utterance.text, decision.tier)
        if not self._fits(order):
            return True
        if decision.act == "propose":
            self._propose(order, decision.say)
        else:
            self._dispatch(order, utterance)
        return True

    def _fits(self, order: Order) -> bool:
        try:
            order.tool.check(order.arguments)
        except ToolError as error:
            self._talk.publish(ToolFailed, invocation_id=order.invocation_id, tool=order.tool.name, error=str(error), latency_ms=0.0)
            self._speak(NOT_WORKED)
            return False
        return True

    def _propose(self, order: Order, prompt: str) -> None:
        self._refuse_pending("another request took its place")
        deadline = self._talk.clock.now_samples + ms_to_samples(self._timing.confirm_within_ms)
        self._pending = Pending(order.invocation_id, order.utterance_id, order.tool, order.arguments, deadline, order.tier, order.utterance)
        self._talk.publish(
            ToolProposed,
            invocation_id=order.invocation_id,
            tool=order.tool.name,
            utterance_id=order.utterance_id,
            arguments=dict(order.arguments),
            tier=order.tier,
            prompt=prompt,
            deadline_samples=deadline,
        )
        self._speak(prompt)
        self._tasks.spawn(self._forget(order.invocation_id), "confirmation deadline")

    async def _forget(self, invocation_id: str) -> None:
        await self._talk.clock.sleep_ms(self._timing.confirm_within_ms)
        if self._pending is not None and self._pending.invocation_id == invocation_id:
            self._refuse_pending(f"no answer within {self._timing.confirm_within_ms / 1_000:g} s")

    def _confirm(self, decision: Decision, utterance: Utterance) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            raise AssertionError("the policy confirmed an action that does not wait")
        self._talk.publish(ToolConfirmed, invocation_id=pending.invocation_id, tool=pending.tool.name, phrase=utterance.text[:200])
        order = Order(
            pending.invocation_id, utterance.utterance_id, pending.tool, pending.arguments, pending.utterance, pending.tier, confirmed=True
        )
        self._dispatch(order, utterance)

    def _dispatch(self, order: Order, utterance: Utterance) -> None:
        invocation = Invocation(self._talk, self._tasks, order, self._registry.provider(order.tool), self._timing)
        self._running.append(invocation)
        self._stage(utterance, "dispatch", samples_to_ms(self._talk.clock.now_samples - utterance.end_samples))
        self._tasks.spawn(self._run(invocation), f"invocation {order.invocation_id}")

    async def _run(self, invocation: Invocation) -> None:
        try:
            await invocation.run()
        finally:
            self._running.remove(invocation)

    def _abort(self, reason: str) -> None:
        stopped = [invocation for invocation in self._running if invocation.cancel(reason)]
        refused = self._refuse_pending(reason)
        if any(invocation.order.tier != "read" for invocation in stopped):
            self._speak(STOPPED_LATE)
        elif refused or stopped:
            self._speak(CALLED_OFF if refused else STOPPED)

    def _refuse_pending(self, reason: str) -> bool:
        pending, self._pending = self._pending, None
        if pending is None:
            return False
        self._talk.publish(ToolRefused, invocation_id=pending.invocation_id, tool=pending.tool.name, reason=reason)
        return True

    def _waiting_tool(self) -> str | None:
        if self._pending is not None:
            return self._pending.tool.name
        return self._running[-1].order.tool.name if self._running else None

    def _speak(self, text: str) -> None:
        if text:
            self._tasks.spawn(self._delivery.deliver(text), "bridge speech")

    def _stage(self, utterance: Utterance, stage: str, ms: float) -> None:
        self._talk.publish(StageTiming, utterance_id=utterance.utterance_id, stage=stage, ms=ms)
