"""The bodies of requests and answers. Times are ISO 8601 in UTC; every latency is measured, or null."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class SessionRequest(BaseModel):
    """A talk that is wanted. Fields that are not known are passed over."""

    session_id: str | None = Field(
        default=None, description="Id for the session; made when left out. 1 to 64 letters, digits, hyphens, underscores."
    )
    conversation_id: str | None = Field(default=None, description="Id that joins several sessions; made when left out.")
    mode: str = Field(
        default="auto", max_length=64, description="`auto`, an engine's name, or `elevenlabs` for speech and text over plain HTTP."
    )
    persona: str | None = Field(default=None, max_length=64, description="Persona id; the server's own when left out.")
    check_only: bool = Field(default=False, description="Only tell what is available; nothing is reserved.")


class Transport(BaseModel):
    """Where and how to talk."""

    type: Literal["websocket", "http"]
    url: str | None = Field(default=None, description="WebSocket address of the PersonaPlex protocol, for type `websocket`.")
    sample_rate: int | None = Field(default=None, description="Hz, for type `websocket`.")
    tts_url: str | None = Field(default=None, description="POST text, get speech; for type `http`.")
    orchestrator_url: str | None = Field(default=None, description="POST a message, get the reply; for type `http`.")


class VoiceConfig(BaseModel):
    """Who will speak."""

    persona: str
    voice_prompt: str | None = Field(default=None, description="PersonaPlex voice file, where the engine takes one.")
    voice_id: str | None = Field(default=None, description="Voice of the synthesiser, where the engine speaks with one.")


class SessionAnswer(BaseModel):
    """A reserved session. Connect within `expires_in_s`."""

    session_id: str
    conversation_id: str
    mode: str = Field(description="The engine that will answer, or `elevenlabs`.")
    reason: str = Field(description="Why this one.")
    personaplex_available: bool = Field(description="A handshake of the last 5 s.")
    transport: Transport
    fallback: Transport | None = Field(description="How to talk where the transport above cannot be used.")
    ticket: str | None = Field(
        default=None,
        description="Lets whoever has it open this talk (`ticket=` in the WebSocket's address), watch it and end it, and do nothing else; "
        "null where no password is set.",
    )
    voice_config: VoiceConfig
    created_at: datetime
    expires_in_s: float = Field(description="Seconds until the reservation is forgotten.")


class CheckAnswer(BaseModel):
    """What `check_only` tells."""

    personaplex_available: bool
    recommended_mode: str


class Mode(BaseModel):
    """One way to talk."""

    available: bool = Field(description="As found by a handshake of the last 5 s.")
    reason: str
    url: str | None = None
    features: list[str]
    voice: str | None
    latency_ms: float | None = Field(description="Median of the measured reply latencies of this server, ms; null without any.")
    latency_n: int = Field(description="Replies that the median is over.")


class ModesAnswer(BaseModel):
    """Every way to talk, and the one that `auto` takes now."""

    modes: dict[str, Mode]
    recommended: str | None = Field(description="null when none is available.")
    timestamp: datetime


class SessionRow(BaseModel):
    """One session, going on or over."""

    session_id: str
    conversation_id: str
    mode: str
    engine: str | None
    persona: str | None
    voice_prompt: str | None
    transport: str | None
    started_at: datetime
    ended_at: datetime | None
    last_activity: datetime
    turn_count: int
    tool_count: int
    barge_in_count: int
    is_active: bool
    ended_reason: str | None


class SessionDetail(SessionRow):
    """One session with all that is stored of it; times within it are ms since it began."""

    metadata: dict[str, Any] = Field(
        description="`parts`: which recogniser, voice and responder were used, and why; `trace_id` where it was traced."
    )
    engine_reason: str | None
    recording: bool | None = Field(description="Whether its sound is kept; while it goes on, and a moment after, `audio` is not there yet.")
    ended_detail: str | None
    turns: list[dict[str, Any]]
    decisions: list[dict[str, Any]] = Field(description="What was done about each utterance, and why; joins `tool_invocations`.")
    tool_invocations: list[dict[str, Any]]
    barge_ins: list[dict[str, Any]]
    held_by: str | None = Field(description="Another process that holds it while it goes on; null when it is this one, or it is over.")
    audio: dict[str, Any] | None = Field(description="The stereo recording: left the user, right the agent; null when there is none.")


class Stats(BaseModel):
    """Totals over everything stored."""

    active_sessions: int
    total_sessions: int
    total_turns: int
    total_tool_invocations: int


class SessionsAnswer(BaseModel):
    """The sessions asked for, those going on first."""

    sessions: list[SessionRow]
    stats: Stats
    timestamp: datetime


class EndedAnswer(BaseModel):
    """A session was ended."""

    success: Literal[True] = True
    session_id: str
    ended_at: datetime


class SpeechRequest(BaseModel):
    """Text to be spoken."""

    text: str = Field(min_length=1, max_length=5_000, description="Plain text; markdown is stripped.")
    voice_id: str | None = Field(default=None, max_length=64, description="One of the voices that GET tells; the best when left out.")


class SpeechInfo(BaseModel):
    """The voice that speaks."""

    voice_id: str | None
    voice_name: str | None
    model: str = Field(description="The synthesiser.")
    why: str
    voices: list[str]
    elevenlabs_configured: bool
    mas_url: str | None = Field(description="Always null: this server speaks by itself.")


class MessageRequest(BaseModel):
    """A typed utterance."""

    message: str = Field(min_length=1, max_length=4_000)
    conversation_id: str | None = Field(default=None, description="Continues an earlier conversation; a new one when left out.")
    persona: str | None = Field(default=None, max_length=64, description="Persona id for a new conversation.")
    want_audio: bool = Field(default=True, description="Also give the reply as speech, base64 WAV.")


class ToolCall(BaseModel):
    """A tool that the message led to."""

    tool: str
    arguments: dict[str, Any]
    status: str = Field(description="`proposed`, `running`, `success`, `error`, `cancelled` or `refused`.")
    result: Any = None
    error: str | None = None
    latency_ms: float | None = Field(default=None, description="Measured, ms.")


class MessageAnswer(BaseModel):
    """The reply. The doubled names are those that different clients of the original read."""

    conversation_id: str
    session_id: str
    response_text: str
    response: str
    agent: str
    agent_name: str
    routed_to: str | None = Field(description="The tool that answered; null when the persona did.")
    requires_confirmation: bool
    confirmation_prompt: str | None
    tool_calls: list[ToolCall]
    provider: str = Field(description="The responder or tool provider that found the words.")
    latency_ms: float = Field(description="From the request to the whole reply, without speech, ms.")
    error: str | None = Field(description="What went wrong, when the reply is an apology.")
    audio_base64: str | None = None
    audio_mime: str | None = None
