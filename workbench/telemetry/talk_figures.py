"""The figures that are counted from events, one method for each kind that has more to it than being counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from workbench import events
from workbench.events import Event
from workbench.telemetry.labels import Bounded

LATENESS_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 1.0)
STAGE_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0, 30.0)
TURN_BUCKETS_S = (-2.0, -1.0, -0.5, -0.2, 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""A turn that begins in the other's has a negative offset, and stays negative."""
STOP_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0)
WER_BUCKETS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)

_TOOL_ENDS: Final[Mapping[type[Event], str]] = {
    events.ToolFinished: "success",
    events.ToolFailed: "error",
    events.ToolCancelled: "cancelled",
    events.ToolRefused: "refused",
}

ONLY_COUNTED: Final[frozenset[type[Event]]] = frozenset(
    {
        events.SessionOpened,
        events.UserSpeech,
        events.AgentSpeech,
        events.UserText,
        events.AgentText,
        events.DigitPressed,
        events.AgentStopped,
        events.ToolProposed,
        events.ToolConfirmed,
        events.ToolStarted,
        events.ToolProgressed,
    }
)
"""Kinds of which `workbench_events_total` tells all that is a figure: what else they carry is words, marks, or the beginning of
something whose end is measured."""


class TalkFigures:
    """The figures of all talks of a process."""

    def __init__(self, to: CollectorRegistry, *, engines: Bounded, tools: Bounded) -> None:
        """`engines` and `tools` say which names may become labels."""
        self.engine, self.tool, self.own = engines, tools, Bounded()
        """`own` bounds values that our own code chooses: reasons, codes, stages, acts."""
        counted = Counter("workbench_events", "Events published in talks, by kind.", ["kind"], registry=to)
        self.kinds = {kind: counted.labels(kind) for kind in events.vocabulary()}
        self.opened = Counter("workbench_sessions", "Talks that got their first engine.", ["engine", "transport"], registry=to)
        self.ended = Counter("workbench_sessions_ended", "Talks ended, by reason.", ["reason"], registry=to)
        self.engines_chosen = Counter("workbench_engines_chosen", "Engines that took over the agent's side.", ["engine"], registry=to)
        self.engines_lost = Counter("workbench_engines_lost", "Engines that failed in mid-talk.", ["engine"], registry=to)
        self.notices = Counter("workbench_notices", "Notices to the person talking, by level and code.", ["level", "code"], registry=to)
        self.lateness = _seconds("workbench_frame_lateness", "How long after its due time an 80 ms frame left.", LATENESS_BUCKETS_S, to)
        self.step = _seconds("workbench_frame_engine", "The engine's own work on a frame.", LATENESS_BUCKETS_S, to)
        self.playout = _seconds(
            "workbench_playout_delay", "From handing over a frame to word of its end, where the far side tells.", STAGE_BUCKETS_S, to
        )
        self.lost = Counter("workbench_audio_lost_samples", "User samples at 24 kHz that nobody heard.", registry=to)
        self.delayed = Counter("workbench_audio_delayed_samples", "User samples at 24 kHz that were waited for in silence.", registry=to)
        self.playout_lost = Counter(
            "workbench_playout_lost_packets", "Packets of agents' sound that listeners' ends report as lost.", registry=to
        )
        self.corrected = Counter("workbench_clock_corrected_samples", "Samples that user timelines were moved by.", registry=to)
        self.turn_latency = _seconds(
            "workbench_turn_latency", "Floor-transfer offset of turns; negative = overlap.", TURN_BUCKETS_S, to, "speaker"
        )
        self.backchannels = Counter("workbench_backchannels", "Backchannels, by speaker.", ["speaker"], registry=to)
        self.barge_ins = Counter("workbench_barge_ins", "Barge-ins, by outcome.", ["outcome"], registry=to)
        self.stop_latency = _seconds(
            "workbench_barge_in_stop_latency", "From the user's onset to the agent's last audible sample.", STOP_BUCKETS_S, to
        )
        self.stages = _seconds("workbench_stage", "Stages of answering an utterance.", STAGE_BUCKETS_S, to, "stage")
        self.intents = Counter("workbench_intents", "What utterances asked for.", ["intent"], registry=to)
        self.decisions = Counter("workbench_decisions", "What was done about utterances.", ["act"], registry=to)
        self.tools = Counter("workbench_tool_calls", "Tool calls that ended, by status.", ["tool", "status"], registry=to)
        self.tool_latency = _seconds("workbench_tool_latency", "From dispatch to the result or the error.", STAGE_BUCKETS_S, to, "tool")
        self.delivered = Counter(
            "workbench_results_delivered", "Results that reached the user, by how.", ["how", "interrupted"], registry=to
        )
        self.told = Counter("workbench_notices_delivered", "Words about an action other than its result.", ["purpose", "how"], registry=to)
        self.fidelity = Histogram(
            "workbench_delivery_wer", "Word error rate of results as they were said.", buckets=WER_BUCKETS, registry=to
        )

    @property
    def measured(self) -> Mapping[type[Event], Callable[[Any], None]]:
        """What is done with the kinds that are more than counted."""
        return {
            events.FrameTiming: self._frame,
            events.PlayoutMeasured: self._playout,
            events.AudioLost: lambda event: self.lost.inc(event.samples),
            events.AudioDelayed: lambda event: self.delayed.inc(event.samples),
            events.PlayoutLost: lambda event: self.playout_lost.inc(event.packets),
            events.ClockCorrected: lambda event: self.corrected.inc(abs(event.samples)),
            events.EngineChosen: lambda event: self.engines_chosen.labels(self.engine(event.engine)).inc(),
            events.EngineLost: lambda event: self.engines_lost.labels(self.engine(event.engine)).inc(),
            events.Notice: lambda event: self.notices.labels(event.level, self.own(event.code)).inc(),
            events.SessionClosed: lambda event: self.ended.labels(self.own(event.reason)).inc(),
            events.TurnEnded: self._turn,
            events.Backchannel: lambda event: self.backchannels.labels(event.speaker).inc(),
            events.BargeIn: self._barge_in,
            events.StageTiming: lambda event: self.stages.labels(self.own(event.stage)).observe(event.ms / 1_000),
            events.IntentFound: lambda event: self.intents.labels(self.own(event.intent)).inc(),
            events.DecisionMade: lambda event: self.decisions.labels(self.own(event.act)).inc(),
            events.ToolFinished: self._tool_ended,
            events.ToolFailed: self._tool_ended,
            events.ToolCancelled: self._tool_ended,
            events.ToolRefused: self._tool_ended,
            events.ResultDelivered: lambda event: self.delivered.labels(event.how, str(event.interrupted).lower()).inc(),
            events.NoticeDelivered: lambda event: self.told.labels(event.purpose, event.how).inc(),
            events.FidelityMeasured: lambda event: self.fidelity.observe(event.wer),
        }

    def _frame(self, event: events.FrameTiming) -> None:
        self.lateness.observe(event.late_ms / 1_000)
        self.step.observe(event.engine_ms / 1_000)

    def _playout(self, event: events.PlayoutMeasured) -> None:
        if event.delay_ms is not None:
            self.playout.observe(event.delay_ms / 1_000)

    def _turn(self, event: events.TurnEnded) -> None:
        if event.latency_ms is not None:
            self.turn_latency.labels(event.speaker).observe(event.latency_ms / 1_000)

    def _barge_in(self, event: events.BargeIn) -> None:
        self.barge_ins.labels(event.outcome).inc()
        if event.stop_latency_ms is not None:
            self.stop_latency.observe(event.stop_latency_ms / 1_000)

    def _tool_ended(self, event: events.ToolFinished | events.ToolFailed | events.ToolCancelled | events.ToolRefused) -> None:
        tool = self.tool(event.tool)
        self.tools.labels(tool, _TOOL_ENDS[type(event)]).inc()
        if isinstance(event, events.ToolFinished | events.ToolFailed):
            self.tool_latency.labels(tool).observe(event.latency_ms / 1_000)


def _seconds(name: str, told: str, buckets: tuple[float, ...], to: CollectorRegistry, *labels: str) -> Histogram:
    return Histogram(f"{name}_seconds", told, list(labels), buckets=buckets, registry=to)
