"""Every setting of the workbench: one class, each field with its unit and default. Environment variables carry the prefix
`WORKBENCH_`; names that the systems around it already use (`HF_TOKEN`, `PERSONAPLEX_URL`, ...) are kept as they are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

KNOWN_NAMES = {
    "personaplex_url": "PERSONAPLEX_URL",
    "personaplex_token": "PERSONAPLEX_TOKEN",
    "hf_token": "HF_TOKEN",
    "elevenlabs_api_key": "ELEVENLABS_API_KEY",
    "elevenlabs_voice": "MYCA_VOICE_ID",
    "twilio_auth_token": "TWILIO_AUTH_TOKEN",
    "cloudflare_turn_key_id": "CLOUDFLARE_TURN_KEY_ID",
    "cloudflare_turn_key_api_token": "CLOUDFLARE_TURN_KEY_API_TOKEN",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "otlp_traces_endpoint": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
}
"""Fields whose variable has a name of its own, beside `WORKBENCH_<FIELD>`."""


def _known(field: str) -> AliasChoices:
    return AliasChoices(f"WORKBENCH_{field.upper()}", KNOWN_NAMES[field])


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


GATEWAY_AUTO = "auto"
GATEWAY_OFF = "off"

Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas."""


class Settings(BaseSettings):
    """Read from the environment and from `.env`; a command's flags override both."""

    model_config = SettingsConfigDict(env_prefix="WORKBENCH_", env_file=".env", extra="ignore", populate_by_name=True, frozen=True)

    # Where
    host: str = "127.0.0.1"
    """Address to listen on. Loopback unless you mean it, and then with a `password`: the page has a microphone."""
    port: int = Field(default=7860, ge=1, le=65_535)
    data_dir: Path = Path("var")
    """Everything the workbench writes: the database, recordings, caches of its own."""
    db: str | None = Field(default=None, repr=False)
    """DuckDB file, or `postgresql://user:password@host:port/name`, which several processes may share; None = `workbench.duckdb` in
    `data_dir`."""
    personas_dir: Path | None = None
    """Folder of persona files; None = the ones that are shipped."""
    allowed_origins: Listed = ()
    """Origins (`https://host`, comma-separated) whose pages may use the API and open talks besides our own, and whose names this server is
    known by; `*` = all."""

    password: SecretStr | None = None
    """Asked for at every page, route and WebSocket but `/health`; None = nobody is asked."""
    viewer_password: SecretStr | None = None
    """Lets in those who only read; needs `password`."""
    session_key: SecretStr | None = None
    """Seals cookies and tickets, 32 bytes or more; None = a key of its own, kept in `data_dir`. Servers that share visitors share it."""
    token: SecretStr | None = None
    """For commands that ask a server elsewhere (`--url`): a token of its, instead of the password."""
    public_talk: bool = False
    """Anybody may talk on the Talk page; everything else still asks for the `password`, which this needs."""
    ask_consent: bool = False
    """The Talk page asks whether a talk may be kept. Of talks to which nobody agreed, on whatever way they came, nothing is written."""

    trusted_proxies: Listed = ()
    """Addresses or networks (`10.0.0.0/8`, comma-separated) of the proxies before this server. What they forward of the visitor's
    address and of https is believed; what anybody else says of it is not."""

    # How much one address may ask; an IPv6 address counts with its /64
    limits: Literal["remote", "all", "off"] = "remote"
    """Whom the limits are for: `remote` is everybody but this machine, unless a proxy stands between."""
    limit_reads_per_minute: int = Field(default=1_200, ge=1)
    """A page loads some 200 files, and then asks every few seconds."""
    limit_writes_per_minute: int = Field(default=300, ge=1)
    limit_speech_per_minute: int = Field(default=60, ge=1)
    """Requests that have something spoken, or answered by a language model."""
    limit_heavy_per_minute: int = Field(default=6, ge=1)
    """Uploads, exports and rescoring."""
    limit_talks_per_minute: int = Field(default=12, ge=1)
    """Talks begun."""
    limit_talks_at_once: int = Field(default=4, ge=1)
    limit_talk_s_per_hour: float = Field(default=7_200.0, gt=0)
    """Time of all its talks together, in seconds; a talk that uses up the last of it is ended."""

    # Talks
    engine: str = "auto"
    """Engine when a talk names none: `auto`, `personaplex`, `vllm-omni` or `classic`."""
    persona: str = "myca"
    recording: bool = True
    """Keep the sound of talks as stereo FLAC."""
    keep_days: float | None = Field(default=None, ge=0)
    """Days after which a talk is removed, rows and sound; None = never."""
    keep_bytes: int | None = Field(default=None, ge=0)
    """Bytes of recordings; beyond it the sound of the oldest talks is removed, and their rows stay. None = as much as there is room for."""
    keep_rated: bool = True
    """Rated talks are kept whole, whatever the two above say. Off where the days are a promise."""
    max_sessions: int = Field(default=16, ge=1)
    """Talks at once, over all engines."""
    max_session_s: float = Field(default=4 * 3_600.0, gt=0)
    """Session time after which a talk is ended, in seconds."""
    first_reply_guard_ms: float = Field(default=700.0, ge=0)
    """In the browser, speech this early in the first reply does not stop it: echo cancellers need that long to settle."""
    barge_in_min_ms: float = Field(default=300.0, ge=0)
    """Speech of the user that stops a tool's result while a full-duplex persona, or the host's voice beside it, says it; anything
    shorter is taken for a "mm-hm"."""
    test_engines: bool = False
    """Offer the `echo` and `scripted` engines, for load runs and tests."""

    # PersonaPlex
    personaplex_url: str | None = Field(default=None, validation_alias=_known("personaplex_url"))
    """WebSocket address of a PersonaPlex server, such as `ws://127.0.0.1:8998`."""
    personaplex_token: SecretStr | None = Field(default=None, validation_alias=_known("personaplex_token"))
    """The token that server was started with, if any."""
    hf_token: SecretStr | None = Field(default=None, validation_alias=_known("hf_token"))
    gateway: str = Field(default=GATEWAY_AUTO, min_length=1)
    """The gateway that `workbench serve` starts by itself: `auto` (where a CUDA device and weights are there and no
    `PERSONAPLEX_URL`), `off`, or a checkpoint: a folder or a repository of the Hugging Face Hub."""
    gateway_slots: int | None = Field(default=None, ge=1)
    """Talks at once on that gateway; None = up to 8, as the GPU's free memory allows, and 1 on a CPU."""
    gateway_options: str = ""
    """More flags for that gateway, as `workbench gateway --help` lists them, such as `--dtype float32 --idle-s 60`."""

    # PersonaPlex behind vLLM-Omni
    vllm_omni_url: str | None = None
    """Address of a vLLM-Omni server that serves PersonaPlex full duplex, such as `ws://127.0.0.1:8099`."""
    vllm_omni_key: SecretStr | None = None
    """The `--api-key` that server was started with, if any."""
    vllm_omni_model: str | None = None
    """The model to talk to; None = the first that the server lists."""

    # Classic engine
    asr: str = "auto"
    """`auto`, `moonshine` or `pocketsphinx`."""
    tts: str = "auto"
    """`auto`, `elevenlabs`, `pocket-tts`, `flite` or `espeak-ng`."""
    classic_sessions: int | None = Field(default=None, ge=1)
    """Talks at once on the classic engine; None = as many as the cores were measured to hold."""
    turn_cap_ms: float = Field(default=800.0, ge=200)
    """Silence after which a user's turn is over, whatever the end-of-turn model says."""
    turn_fixed_hold_ms: float | None = Field(default=None, ge=100)
    """Set: no end-of-turn model, every turn ends after this much silence."""
    llm_base_url: str | None = None
    """Any OpenAI-compatible endpoint, such as `http://127.0.0.1:11434/v1`; None = the embedded responder."""
    llm_model: str = "default"
    llm_api_key: SecretStr | None = None
    elevenlabs_api_key: SecretStr | None = Field(default=None, validation_alias=_known("elevenlabs_api_key"))
    elevenlabs_voice: str | None = Field(default=None, validation_alias=_known("elevenlabs_voice"))

    # Tools
    intent: Literal["rules", "llm"] = "rules"
    """Who reads what an utterance asks for: the embedded rules, or the endpoint of `llm_base_url` (which then needs function calling)."""
    intent_timeout_s: float = Field(default=2.0, gt=0)
    """Wait for that endpoint in seconds, after which the rules decide."""
    tools_file: Path | None = None
    """TOML file of the tools' providers, see `workbench.example.toml`; None = `workbench.toml` where there is one."""
    tool_filler_ms: float = Field(default=1_500.0, ge=0)
    """Wait for a tool's result after which the agent says that it is looking; 0 = never."""
    tool_fidelity: bool = True
    """Have the recogniser write down how results were said, and keep its word error rate. It costs as much CPU as hearing the user say
    the same, after the delivery and beside the talks."""

    # WebRTC
    stun_urls: Listed = ()
    """STUN servers (`stun:host:port`, comma-separated). None are needed on one machine or one network."""
    turn_url: str | None = None
    turn_username: str | None = None
    turn_password: SecretStr | None = None
    turn_from_huggingface: bool = False
    """Ask for TURN credentials with `HF_TOKEN` at every call."""
    cloudflare_turn_key_id: str | None = Field(default=None, validation_alias=_known("cloudflare_turn_key_id"))
    cloudflare_turn_key_api_token: SecretStr | None = Field(default=None, validation_alias=_known("cloudflare_turn_key_api_token"))
    jitter_packets: int = Field(default=1, ge=1, le=8)
    """For how many later packets (20 ms each) a missing one is waited for at least. Where packets overtake each other the receiver
    waits for more by itself, up to 8; where none is missing none is held back."""
    loopback_webrtc: bool = False
    """Carry WebRTC over 127.0.0.1 only, for tests and for machines without a network."""

    # Telephone
    phone: bool = False
    """Take calls that Twilio brings: `/phone/voice` and `/phone/media`. Needs `twilio_auth_token` and `public_url`."""
    twilio_auth_token: SecretStr | None = Field(default=None, validation_alias=_known("twilio_auth_token"))
    """The account's auth token, with which Twilio signs its requests."""
    public_url: str | None = None
    """The address under which others reach this server, `https://host`: what Twilio signs, and where it brings the sound."""
    phone_personas: Listed = ()
    """Who answers which dialled number (`+15551234567=myca`, comma-separated); others reach `persona`."""
    phone_idle_s: float = Field(default=120.0, gt=0)
    """A call in which the caller has said nothing for this long is ended, in seconds."""
    phone_max_s: float = Field(default=3_600.0, gt=0)
    """A call ends after this, in seconds: each minute is paid for."""

    # Operation
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Of our own lines; the libraries' are at least `info`."""
    log_format: Literal["text", "json"] = "text"
    """`json`: one object a line on stderr."""
    log_transcripts: bool = False
    """Let words of talks into the log: at `debug` what was said and done, and the messages of errors nobody foresaw. For development."""
    otlp_endpoint: str | None = Field(default=None, validation_alias=_known("otlp_endpoint"))
    """OpenTelemetry collector for traces over OTLP/HTTP, such as `http://127.0.0.1:4318`; None = no traces. The extra `telemetry` sends
    them, and reads the other `OTEL_` variables from the environment."""
    otlp_traces_endpoint: str | None = Field(default=None, validation_alias=_known("otlp_traces_endpoint"))
    """The same with its path, for traces alone; None = `v1/traces` at `otlp_endpoint`."""

    @property
    def database(self) -> str:
        """The database to open: a file path, or a `postgresql://` address."""
        return self.db if self.db is not None else str(self.data_dir / "workbench.duckdb")

    @property
    def audio_dir(self) -> Path:
        return self.data_dir / "audio"

    @property
    def traces_url(self) -> str | None:
        """Where spans are posted; None = nowhere."""
        if self.otlp_traces_endpoint:
            return self.otlp_traces_endpoint
        return f"{self.otlp_endpoint.rstrip('/')}/v1/traces" if self.otlp_endpoint else None

    def variable(self, field: str) -> str:
        """The environment variable of a field, as the documentation names it."""
        return KNOWN_NAMES.get(field, f"WORKBENCH_{field.upper()}")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
