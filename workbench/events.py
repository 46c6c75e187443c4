"""The event vocabulary of a talk. Every event is stamped in session time: samples at 24 kHz since the talk began.

An event is published once, in order of `noticed_samples`, and never changed. `at_samples` says when the thing happened; it lies
before `noticed_samples` where a detector needs time to be sure. Turns, barge-ins and backchannels are *derived* from speech edges
by `workbench.dynamics`, so that a better definition can score an old session again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Speaker = Literal["user", "agent"]
Edge = Literal["start", "stop"]
Tier = Literal["read", "write", "destructive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries. Both times are samples at 24 kHz of session time."""

    at_samples: int
    noticed_samples: int

    @property
    def kind(self) -> str:
        """The class name: the `kind` column of the store."""
        return type(self).__name__

    def payload(self) -> dict[str, Any]:
        """The fields beyond the two stamps, as plain JSON values."""
        values = dataclasses.asdict(self)
        del values["at_samples"], values["noticed_samples"]
        return values


# --- the talk itself -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(Event):
    """The first event. Not affected by an interruption."""

    session_id: str
    conversation_id: str
    persona: str
    persona_hash: str
    voice: str
    transport: str
    recording: bool
    pace: Literal["realtime", "fast"]
    latency_model: str
    """What work is charged in session time: `wall` (real time), `measured` (fast: as it took), or a named model."""
    trace_id: str = ""
    """Of the OpenTelemetry trace of this talk, 32 hexadecimal digits; empty where nothing is traced."""
    consent: str = ""
    """The words with which the visitor agreed that this talk is kept; empty where nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(Event):
    """The last event. `reason` is one of the closed vocabulary of `workbench.conversation`; `detail` is for people."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChosen(Event):
    """An engine took over the agent's side. Pending tool actions survive the change."""

    engine: str
    requested: str
    reason: str
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Part name (`asr`, `tts`, `responder`, ...) to `{"name": ..., "why": ...}`."""
    handshake_ms: float | None = None
    resumed: bool = False
    """The same engine took up a talk that it had lost, with the persona and a short account of what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLost(Event):
    """The engine failed in mid-talk; the talk goes on with the same engine again where that can be, else with the next one."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the person talking should know, with what to do about it. Shown, never spoken."""

    level: Literal["info", "warning", "error"]
    code: str
    message: str
    repair: str = ""


# --- speech ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSpeech(Event):
    """An edge of speech on the user stem. `at_samples` is the edge itself, back-dated by the detector."""

    edge: Edge
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeech(Event):
    """An edge of audible speech on the agent stem."""

    edge: Edge
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserText(Event):
    """The user's words. A partial is replaced by the next event of the same `utterance_id`; a final is final.

    `at_samples` is the end of the last word for a final, the moment of the guess for a partial.
    """

    utterance_id: str
    text: str
    final: bool
    start_samples: int
    source: Literal["asr", "typed"]
    recogniser: str = ""
    decode_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPressed(Event):
    """A key of the caller's telephone. It is data: nothing is decided by it, and an interruption leaves it as it is."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentText(Event):
    """A piece of what the agent says, stamped where its sound begins. A piece that was never heard has no event."""

    text: str
    forced: bool = False
    """True when the host put the words in the agent's mouth (a tool result), False when they are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(Event):
    """A derived turn. `latency_ms` is the floor-transfer offset to the other speaker's turn before it; negative = overlap."""

    turn_id: str
    speaker: Speaker
    text: str
    start_samples: int
    end_samples: int
    latency_ms: float | None
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn(Event):
    """The user began to speak over the agent. `at_samples` is the user's onset.

    `yielded`: the agent stopped (`stop_latency_ms` = onset to the agent's last audible sample). `ignored`: it talked on.
    `censored`: the user stopped first, or the talk ended.
    """

    barge_in_id: str
    outcome: Literal["yielded", "ignored", "censored"]
    stop_samples: int | None
    stop_latency_ms: float | None
    heard_text: str = ""
    cancelled_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStopped(Event):
    """The talk stopped the agent for the user, and dropped what it was about to say: a half-duplex agent at the onset, a full-duplex one
    only in words that it was given to say. What the barge-in's words are taken from."""

    heard_text: str
    cancelled_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backchannel(Event):
    """A short acknowledgement that takes no turn."""

    speaker: Speaker
    text: str
    duration_ms: float


# --- the tool bridge: each stage is one event, `invocation_id` ties them together ---------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFound(Event):
    """What one final user utterance asks for; published once per utterance, also for chit-chat. An echo of the agent is not asked about."""

    utterance_id: str
    intent: Literal["chitchat", "query", "command", "confirm", "abort"]
    tool: str | None
    arguments: Mapping[str, Any]
    confidence: float
    source: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade(Event):
    """What is done about one final user utterance, and why: once per utterance, before it is done. No interruption changes it."""

    utterance_id: str
    text: str
    act: str
    """`ignore` (an echo of the agent), or an act of the policy: `leave`, `run`, `propose`, `confirm`, `ask_again`, `abort`, `deny`."""
    reason: str
    tool: str | None = None
    tier: Tier | None = None
    """How dangerous what was said is; None where no tool is meant."""
    invocation_id: str | None = None
    """The invocation that this begins, confirms, asks about again or calls off."""
    pending_id: str | None = None
    """The invocation that waited for the user's word when this was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEvent(Event):
    """What every tool event carries."""

    invocation_id: str
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProposed(ToolEvent):
    """A write or destructive action waits for the user's word. An interruption does not withdraw it."""

    utterance_id: str
    arguments: Mapping[str, Any]
    tier: Tier
    prompt: str
    deadline_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConfirmed(ToolEvent):
    """The user said the word that the policy asked for."""

    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRefused(ToolEvent):
    """The action will not run: the user said no, the deadline passed, or the policy forbids it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted(ToolEvent):
    """Dispatched to its provider. An interruption does not stop it; a changed mind does (`ToolCancelled`)."""

    utterance_id: str
    provider: str
    arguments: Mapping[str, Any]
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgressed(ToolEvent):
    """The provider reported progress, 0 to 1 where known."""

    fraction: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished(ToolEvent):
    """The provider answered. `spoken` is the short form to be said, `result` the whole of it."""

    result: Any
    spoken: str
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed(ToolEvent):
    """The provider failed or timed out. Always leaves a row with its error."""

    error: str
    latency_ms: float
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCancelled(ToolEvent):
    """The user changed their mind in mid-run; a result that still comes is recorded and never spoken."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDelivered(ToolEvent):
    """How the result reached the user and how far it got. `at_samples` is the first audible sample of the delivery."""

    how: Literal["engine", "host", "card"]
    words_asked: int
    words_heard: int
    interrupted: bool
    fidelity_wer: float | None = None
    """Of talks recorded before `FidelityMeasured`; None since then."""
    words_before: int | None = None
    """Words of content that the agent said of its own accord between the dispatch and the delivery; None when not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDelivered(ToolEvent):
    """How words about an action, other than its result, reached the user: the `question` that asks for the word that lets it run, a
    `filler` while it runs, a `refusal`, the `apology` for a failure, or that it was `called_off`. `at_samples` is the first audible
    sample. A barge-in cuts it off, and it is not said again."""

    purpose: Literal["question", "filler", "refusal", "apology", "called_off"]
    text: str
    how: Literal["engine", "host", "card"]
    words_asked: int
    words_heard: int
    interrupted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityMeasured(ToolEvent):
    """How faithfully a result was said: word error rate of our recogniser on the agent's sound of the delivery, against the words asked
    for (of an interrupted delivery, those that were heard). Numbers count as words. It follows its `ResultDelivered` when it is known, or
    not at all. The recogniser's own errors are in it."""

    wer: float
    reference: str
    transcript: str
    recogniser: str


# --- measurements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTiming(Event):
    """One stage of answering one utterance: `end_of_turn`, `asr`, `intent`, `dispatch`, `tool`, `delivery`, `responder`, `tts`."""

    utterance_id: str
    stage: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTiming(Event):
    """One 80 ms tick. `late_ms` is how long after its due time the frame left."""

    frame: int
    late_ms: float
    listen_ms: float
    engine_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLost(Event):
    """User audio that nobody heard. `at_samples` is where its silence begins, at the latest. `network`: it did not arrive in time, and
    silence of the same length stands for it. `backlog`: it was thrown
    away, because more was waiting than may wait (the client sent faster than real time, or the server was held up)."""

    samples: int
    packets: int
    cause: Literal["network", "backlog"] = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutLost(Event):
    """Packets of the agent's sound, 20 ms each, that the listener's end has newly reported as lost on the way to it (RTCP receiver
    reports). `at_samples` is when the report was read: the loss lies up to some seconds before. The agent's stem has the sound."""

    packets: int
    round_trip_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDelayed(Event):
    """User audio came later than its place: silence of this length was heard first, and what follows lies later on session time by as
    much, until `ClockCorrected` takes it back in a pause. Told when the audio is there."""

    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCorrected(Event):
    """The user timeline was moved against session time to follow the client's clock: at most 480 samples (20 ms), in silence."""

    samples: int
    drift_ppm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutMeasured(Event):
    """How late the person hears the agent, where their side tells what it has played (the marks of a telephone network). Of the frames
    told since the last such event. An interruption has one made, with the sound that was dropped unheard."""

    delay_ms: float | None
    """Median from handing over a frame to word of its end; the network's way back is in it. None where no frame was told."""
    largest_ms: float | None
    frames: int
    cut_ms: float | None = None
    """Sound that was sent and dropped unheard; None when nothing was dropped, or when that is unknown."""


def vocabulary() -> dict[str, type[Event]]:
    """Every published event class by its `kind`."""
    # By the module's names: `__subclasses__` also knows the classes that `dataclass(slots=True)` replaced.
    found = {name: value for name, value in globals().items() if isinstance(value, type) and issubclass(value, Event)}
    return {name: value for name, value in found.items() if value not in (Event, ToolEvent)}


def restore(kind: str, at_samples: int, noticed_samples: int, payload: Mapping[str, Any]) -> Event:
    """The event that a row of the store holds. Raises KeyError for a kind this version does not know."""
    return vocabulary()[kind](at_samples=at_samples, noticed_samples=noticed_samples, **payload)
