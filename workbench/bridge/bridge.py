"""The one actor of a talk: every finished utterance is classified once, decided once, and acted on at most once.

What may be done early is only the classifying: the words of a probable end of turn are read ahead, so that the decision is ready when the
turn is over. No tool is called on a guess, not even one that reads: a call may cost, be counted and be logged elsewhere, and what it
would gain is the rest of the turn's silence, some 100 to 600 ms.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence

from workbench.audio.frames import SAMPLE_RATE, ms_to_samples, samples_to_ms
from workbench.bridge.access import AccessTable
from workbench.bridge.delivery import Delivery, Purpose
from workbench.bridge.echo import ECHO, is_echo, is_echoed_agreement
from workbench.bridge.fidelity import Fidelity, Hearer
from workbench.bridge.heard import AgentWords
from workbench.bridge.hold import Hold
from workbench.bridge.intent import Classifier, Intent
from workbench.bridge.interpreter import Interpreter
from workbench.bridge.invocation import NOT_WORKED, Invocation, Order, Stage, Timing
from workbench.bridge.policy import Decision, Pending, decide
from workbench.bridge.registry import MAX_PHRASES, Registry
from workbench.bridge.replies import REPLY_PHRASES, read_reply
from workbench.bridge.tasks import Tasks
from workbench.bridge.tool import Tool, ToolError
from workbench.events import DecisionMade, IntentFound, StageTiming, Tier, ToolConfirmed, ToolFailed, ToolProposed, ToolRefused
from workbench.talk import Talk, Utterance, Verdict

logger = logging.getLogger(__name__)

CALLED_OFF = "Okay, I will not do it."
STOPPED = "Okay, never mind."
STOPPED_LATE = "Okay, I stopped waiting for it, but it may have been done already."


class Bridge:
    """Implements `workbench.talk.Actor` for one talk.

    `allowed` are the persona's tool names (`*` = all), `names` what the persona is called. An action that waits for the user's word
    belongs to this talk and outlives a change of engine. `hearer` listens to how results were said; None where nobody can.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        allowed: Sequence[str] = ("*",),
        names: Sequence[str] = (),
        classifier: Classifier | None = None,
        timing: Timing | None = None,
        access: AccessTable | None = None,
        hearer: Hearer | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._registry = registry
        self._names = tuple(allowed)
        self._interpreter = Interpreter(registry, allowed, names, classifier)
        self._timing = timing or Timing()
        self._access = access or {}
        self._hearer = hearer
        self._new_id = new_id
        self._decided: dict[str, Verdict] = {}
        self._words = AgentWords()
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
        self._hold = Hold(talk)
        self._delivery = Delivery(talk, self._hold)
        self._fidelity = Fidelity(talk, self._tasks, self._hearer)
        self._stage = Stage(talk, self._tasks, self._hold, self._delivery, self._words, self._fidelity, self._timing)
        for observer in (self._words, self._hold, self._fidelity):
            talk.observe(observer)

    def prepare(self, utterance: Utterance) -> None:
        """Reads the words of a probable end of turn ahead. The decision is made when the turn is over, by `offer`."""
        if self._closed or utterance.utterance_id in self._decided or not utterance.text:
            return
        self._interpreter.prepare(self._tasks, utterance.text, self._waiting_tool())

    async def offer(self, utterance: Utterance) -> Verdict:
        """Decides about an utterance. The same id offered again gets the first answer, and nothing happens a second time."""
        if utterance.utterance_id in self._decided:
            logger.warning("utterance %s was offered twice; the second offer is ignored", utterance.utterance_id)
            return self._decided[utterance.utterance_id]
        self._decided[utterance.utterance_id] = "left"
        if self._closed:
            return "left"
        if self._is_echo(utterance):
            self._publish_decision(utterance, "ignore", ECHO)
            self._decided[utterance.utterance_id] = "ignored"
        else:
            intent = await self._classify(utterance)
            if self._act(self._decide(intent, utterance), utterance):
                self._decided[utterance.utterance_id] = "taken"
        return self._decided[utterance.utterance_id]

    async def close(self, reason: str) -> None:
        self._closed = True
        self._refuse_pending(f"the talk ended: {reason}")
        for invocation in self._running:
            invocation.cancel(f"the talk ended: {reason}")
        await self._fidelity.finish()
        await self._tasks.close()

    def _is_echo(self, utterance: Utterance) -> bool:
        if utterance.source != "asr":
            return False
        agent = self._words.between(utterance.start_samples - SAMPLE_RATE * 5, utterance.end_samples + SAMPLE_RATE * 5)
        heard = (utterance.text, utterance.start_samples, utterance.end_samples, agent)
        pending = self._pending
        named = self._interpreter.action_words(pending.tool.name) if pending else ()
        agrees = pending is not None and read_reply(utterance.text, named) in ("confirm", "irreversible")
        return is_echo(*heard) or (agrees and is_echoed_agreement(*heard))

    async def _classify(self, utterance: Utterance) -> Intent:
        intent, took_ms = await self._interpreter.read(utterance.text, self._waiting_tool())
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
        self._time_stage(utterance, "intent", took_ms)
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
            allowed=self._interpreter.allowed,
            action_words=self._interpreter.action_words(pending.tool.name) if pending else (),
            said_samples=utterance.end_samples,
            changed=pending is not None and known.get(pending.tool.name) != pending.tool,
            user=self._talk.user,
            access=self._access,
        )

    def _act(self, decision: Decision, utterance: Utterance) -> bool:
        """Whether the utterance was taken. The decision is published before anything is done."""
        logger.debug("utterance %s: %s", utterance.utterance_id, decision.act)
        tool, pending = decision.tool, self._pending
        if decision.act in ("leave", "abort", "ask_again", "confirm"):
            concerned = pending.invocation_id if pending else self._running[-1].order.invocation_id if self._running else None
            self._publish_decision(
                utterance, decision.act, decision.reason, tool, decision.tier, None if decision.act == "leave" else concerned
            )
            match decision.act:
                case "leave":
                    return False
                case "abort":
                    self._abort(decision.reason)
                case "ask_again":
                    self._ask_again(decision)
                case "confirm":
                    self._confirm(utterance)
            return True
        if tool is None:
            raise AssertionError(f"the policy decided to {decision.act} without naming a tool")
        order = Order(self._new_id(), utterance.utterance_id, tool, dict(decision.arguments), utterance.text, decision.tier)
        self._publish_decision(utterance, decision.act, decision.reason, tool, decision.tier, order.invocation_id)
        if decision.act == "deny":
            self._talk.publish(ToolRefused, invocation_id=order.invocation_id, tool=tool.name, reason=decision.reason)
            self._tell(order.invocation_id, tool.name, "refusal", decision.say)
            return bool(decision.say)
        if self._fits(order):
            if decision.act == "propose":
                self._propose(order, decision.say)
            else:
                self._dispatch(order, utterance)
        return True

    def _publish_decision(
        self,
        utterance: Utterance,
        act: str,
        reason: str,
        tool: Tool | None = None,
        tier: Tier | None = None,
        invocation_id: str | None = None,
    ) -> None:
        self._talk.publish(
            DecisionMade,
            utterance_id=utterance.utterance_id,
            text=utterance.text,
            act=act,
            reason=reason,
            tool=None if tool is None else tool.name,
            tier=None if tool is None else tier,
            invocation_id=invocation_id,
            pending_id=None if self._pending is None else self._pending.invocation_id,
        )

    def _fits(self, order: Order) -> bool:
        try:
            order.tool.check(order.arguments)
        except ToolError as error:
            self._talk.publish(ToolFailed, invocation_id=order.invocation_id, tool=order.tool.name, error=str(error), latency_ms=0.0)
            self._tell(order.invocation_id, order.tool.name, "apology", NOT_WORKED)
            return False
        return True

    def _propose(self, order: Order, prompt: str) -> None:
        self._refuse_pending("another request took its place")
        now = self._talk.clock.now_samples
        deadline = now + ms_to_samples(self._timing.confirm_within_ms)
        self._pending = Pending(
            order.invocation_id, order.utterance_id, order.tool, order.arguments, deadline, order.tier, order.utterance, asked_samples=now
        )
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
        self._tell(order.invocation_id, order.tool.name, "question", prompt)
        self._tasks.spawn(self._forget(order.invocation_id), "confirmation deadline")

    def _ask_again(self, decision: Decision) -> None:
        if self._pending is None:
            raise AssertionError("the policy asks again about an action that does not wait")
        self._tell(self._pending.invocation_id, self._pending.tool.name, "question", decision.say)

    async def _forget(self, invocation_id: str) -> None:
        await self._talk.clock.sleep_ms(self._timing.confirm_within_ms)
        if self._pending is not None and self._pending.invocation_id == invocation_id:
            self._refuse_pending(f"no answer within {self._timing.confirm_within_ms / 1_000:g} s")

    def _confirm(self, utterance: Utterance) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            raise AssertionError("the policy confirmed an action that does not wait")
        self._talk.publish(ToolConfirmed, invocation_id=pending.invocation_id, tool=pending.tool.name, phrase=utterance.text[:200])
        order = Order(
            pending.invocation_id, utterance.utterance_id, pending.tool, pending.arguments, pending.utterance, pending.tier, confirmed=True
        )
        self._dispatch(order, utterance)

    def _dispatch(self, order: Order, utterance: Utterance) -> None:
        provider = self._registry.provider(order.tool)
        invocation = Invocation(self._stage, order, provider, asked_samples=utterance.end_samples)
        self._running.append(invocation)
        self._time_stage(utterance, "dispatch", samples_to_ms(self._talk.clock.now_samples - utterance.end_samples))
        self._tasks.spawn(self._run(invocation), f"invocation {order.invocation_id}")

    async def _run(self, invocation: Invocation) -> None:
        try:
            await invocation.run()
        finally:
            self._running.remove(invocation)

    def _abort(self, reason: str) -> None:
        stopped = [invocation.order for invocation in self._running if invocation.cancel(reason)]
        refused = self._refuse_pending(reason)
        if stopped:
            late = any(order.tier != "read" for order in stopped)
            say = STOPPED_LATE if late else CALLED_OFF if refused else STOPPED
            self._tell(stopped[-1].invocation_id, stopped[-1].tool.name, "called_off", say)
        elif refused is not None:
            self._tell(refused.invocation_id, refused.tool.name, "called_off", CALLED_OFF)

    def _refuse_pending(self, reason: str) -> Pending | None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._talk.publish(ToolRefused, invocation_id=pending.invocation_id, tool=pending.tool.name, reason=reason)
        return pending

    def _waiting_tool(self) -> str | None:
        if self._pending is not None:
            return self._pending.tool.name
        return self._running[-1].order.tool.name if self._running else None

    def _tell(self, invocation_id: str, tool: str, purpose: Purpose, text: str) -> None:
        if text:
            self._tasks.spawn(self._delivery.tell(invocation_id, tool, purpose, text), f"bridge {purpose}")

    def _time_stage(self, utterance: Utterance, stage: str, ms: float) -> None:
        self._talk.publish(StageTiming, utterance_id=utterance.utterance_id, stage=stage, ms=ms)
