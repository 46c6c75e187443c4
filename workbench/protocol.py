"""The PersonaPlex wire protocol, both ends of it: WebSocket `/api/chat`, binary messages, the first byte says the kind.

| kind | name      | server to client                                   | client to server                               |
|------|-----------|----------------------------------------------------|------------------------------------------------|
| 0x00 | handshake | one byte: the talk is open. Two more are taken     | ignored                                        |
|      |           | (version, model), as some servers send them        |                                                |
| 0x01 | audio     | Ogg/Opus bytes, mono 24 kHz, one stream            | the same                                       |
| 0x02 | text      | one piece of the agent's words, UTF-8              | *ours:* a typed utterance, UTF-8               |
| 0x03 | control   | *ours:* `flush`: drop what is not yet played       | *ours:* `end`: hang up                         |
| 0x04 | metadata  | *ours:* an event, JSON `{"type": ..., ...}`        | *the gateway:* an order, JSON of the same form |
| 0x05 | error     | *ours:* JSON `{"code": ..., "message": ...}`       | ignored                                        |
| 0x06 | ping      | answered with a ping                               | answered with a ping                           |

NVIDIA's server sends the first three kinds only and ignores everything but audio; its web client knows all seven numbers and
ignores what it has no use for. Rows marked *ours* are extensions that both of them pass over. A server of ours sends metadata,
control and error messages only to a client that asked for them with `events=1`, errors that end the talk to everybody.

Metadata types of the workbench: `event` (`kind`, `at_samples`, `noticed_samples`, `payload` of `workbench.events`), `opened`
(`session_id`), `dropped` (`samples`: agent sound thrown away because the client read too slowly), `queue` (`position`), `closed`
(`reason`, `message`). It takes no orders.

Metadata types of the gateway, to the client:

- `queue` (`position`), `closed` (`reason`, `message`);
- `opened` (`seed`, `voice`, `prompt_frames`, `ready_ms`; `instance`, `model`, `revision`, `device`: which gateway it is), right after the
  handshake;
- `dropped`: (`samples`) as above, or (`frames`, `in_all`) user frames that came faster than they could be heard;
- `forced`: the text piece that comes next was put into the persona's mouth by a `say`;
- `said` (`id`, `words_asked`, `words_heard`, `first_heard_frame`, `interrupted`): a `say` is over, after its last frame of sound;
- `refused` (`id`, `message`): an order was none; `account_refused` (`message`); `bad_audio` (`message`);
- `rolled_over` (`forced`, `frame`): the persona's window was renewed, `forced` when no silence came in time.

Orders to the gateway: `say` (`id`, `text`), `hold` (`max_ms`), `interrupt` (`hold_ms`, optional), `account` (`text`).

Query of a talk that is taken up again: `account`, what was said so far, which follows the persona in the prompt. A gateway that takes no
new talk, or a balancer without a free place, answers the upgrade with HTTP 503 and JSON `{"code": ..., "message": ...}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

MAX_MESSAGE_BYTES = 1_048_576
"""The most bytes of one message; longer ones are `Unknown`."""
MAX_AUDIO_BYTES = 65_536
MAX_TEXT_BYTES = 16_384
MAX_JSON_BYTES = MAX_MESSAGE_BYTES - 1
MAX_PROMPT_CHARS = 16_384
MAX_ACCOUNT_CHARS = 1_500
MAX_NAME_CHARS = 64


class Kind(IntEnum):
    """The first byte of a message."""

    HANDSHAKE = 0x00
    AUDIO = 0x01
    TEXT = 0x02
    CONTROL = 0x03
    METADATA = 0x04
    ERROR = 0x05
    PING = 0x06


class Control(IntEnum):
    """The second byte of a control message; the numbers of PersonaPlex's web client up to 0x03, `FLUSH` is ours."""

    START = 0x00
    END_TURN = 0x01
    PAUSE = 0x02
    RESTART = 0x03
    END = 0x10
    FLUSH = 0x11


@dataclass(frozen=True, slots=True)
class Handshake:
    """The talk is open. `version` and `model` are 0 where the server sends the kind byte alone."""

    version: int = 0
    model: int = 0


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes of the Ogg/Opus stream, cut anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the agent's words (from a server) or a typed utterance (from a client)."""

    text: str


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A command without arguments."""

    action: Control


@dataclass(frozen=True, slots=True)
class Metadata:
    """A JSON object; `type` says which."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """What went wrong. `code` is for programs, `message` says how to mend it."""

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for, or is, a sign of life."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes that are none of the above, and why. A receiver passes over it."""

    kind: int | None
    reason: str


Message = Handshake | Audio | Text | ControlMessage | Metadata | ErrorMessage | Ping


def encode(message: Message) -> bytes:
    """The message as bytes. Raises ValueError when it is larger than a receiver takes."""
    match message:
        case Handshake(version, model):
            # One byte alone is what NVIDIA's clients wait for.
            return bytes([Kind.HANDSHAKE]) if version == model == 0 else bytes([Kind.HANDSHAKE, version, model])
        case Audio(data):
            return _framed(Kind.AUDIO, data, MAX_AUDIO_BYTES)
        case Text(text):
            # A lone surrogate cannot be written as UTF-8.
            return _framed(Kind.TEXT, text.encode("utf-8", "replace"), MAX_TEXT_BYTES)
        case ControlMessage(action):
            return bytes([Kind.CONTROL, action])
        case Metadata(type_, data):
            return _framed(Kind.METADATA, _json({**data, "type": type_}), MAX_JSON_BYTES)
        case ErrorMessage(code, text, data):
            return _framed(Kind.ERROR, _json({**data, "code": code, "message": text}), MAX_JSON_BYTES)
        case Ping():
            return bytes([Kind.PING])


def decode(data: bytes) -> Message | Unknown:
    """The message in `data`. Never raises: whatever is no message is `Unknown` with its reason."""
    if not data:
        return Unknown(None, "the message is empty; its first byte says the kind")
    if len(data) > MAX_MESSAGE_BYTES:
        return Unknown(data[0], f"the message has {len(data):,} bytes, more than {MAX_MESSAGE_BYTES:,}")
    kind, body = data[0], bytes(data[1:])
    match kind:
        case Kind.HANDSHAKE:
            return Handshake(*body[:2]) if len(body) >= 2 else Handshake()
        case Kind.AUDIO:
            return Audio(body) if len(body) <= MAX_AUDIO_BYTES else _too_long(kind, body, MAX_AUDIO_BYTES)
        case Kind.TEXT:
            return Text(body.decode("utf-8", "replace")) if len(body) <= MAX_TEXT_BYTES else _too_long(kind, body, MAX_TEXT_BYTES)
        case Kind.CONTROL:
            if len(body) == 1 and body[0] in Control._value2member_map_:
                return ControlMessage(Control(body[0]))
            return Unknown(kind, "a control message is two bytes, the second a known action")
        case Kind.METADATA:
            found = _object(body)
            if found is None or not isinstance(found.get("type"), str):
                return Unknown(kind, "metadata is a JSON object with a text in `type`")
            return Metadata(found.pop("type"), found)
        case Kind.ERROR:
            found = _object(body)
            if found is None:
                # Servers of others may send plain text here.
                return ErrorMessage("error", body.decode("utf-8", "replace"))
            return ErrorMessage(str(found.pop("code", "error")), str(found.pop("message", "")), found)
        case Kind.PING:
            return Ping()
    return Unknown(kind, f"no message has the kind 0x{kind:02x}")


def _framed(kind: Kind, body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise ValueError(f"a {kind.name.lower()} message of {len(body):,} bytes; at most {most:,} can be sent, cut it")
    return bytes([kind]) + body


def _too_long(kind: int, body: bytes, most: int) -> Unknown:
    return Unknown(kind, f"{len(body):,} bytes of {Kind(kind).name.lower()}; at most {most:,} are taken in one message")


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class QueryError(ValueError):
    """A parameter of `/api/chat` cannot be used. `parameter` names it; the message says how to mend it."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class ChatQuery:
    """The query of `/api/chat`. Names are only names here: whoever opens the talk looks them up in its own lists."""

    voice_prompt: str | None = None
    """Voice name or voice file name, such as `NATF2` or `NATF2.pt`."""
    text_prompt: str | None = None
    persona: str | None = None
    engine: str | None = None
    conversation_id: str | None = None
    seed: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)
    """The sampling parameters that were given: `text_temperature`, `text_topk`, `audio_temperature`, `audio_topk`."""
    recording: bool | None = None
    account: str | None = None
    """What was said so far, where a talk is taken up again."""
    events: bool = False
    """The client understands metadata, control and error messages."""


_SAMPLING_RANGES: Mapping[str, tuple[float, float]] = {
    "text_temperature": (0.0, 10.0),
    "text_topk": (0.0, 100_000.0),
    "audio_temperature": (0.0, 10.0),
    "audio_topk": (0.0, 100_000.0),
}
_FLAGS: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def parse_query(query: Mapping[str, str]) -> ChatQuery:
    """The typed query. Parameters that are empty count as absent, unknown ones are passed over. Raises QueryError."""
    given = {name: value for name, value in query.items() if value != ""}
    prompt = given.get("text_prompt")
    if prompt is not None and len(prompt) > MAX_PROMPT_CHARS:
        raise QueryError("text_prompt", f"text_prompt has {len(prompt):,} characters; shorten it to {MAX_PROMPT_CHARS:,}")
    account = given.get("account")
    if account is not None and len(account) > MAX_ACCOUNT_CHARS:
        raise QueryError("account", f"account has {len(account):,} characters; shorten it to {MAX_ACCOUNT_CHARS:,}")
    return ChatQuery(
        voice_prompt=_name(given, "voice_prompt"),
        text_prompt=prompt,
        persona=_name(given, "persona"),
        engine=_name(given, "engine"),
        conversation_id=_name(given, "conversation_id"),
        seed=_seed(given),
        sampling={name: _number(given, name, *bounds) for name, bounds in _SAMPLING_RANGES.items() if name in given},
        recording=_flag(given, "recording"),
        account=account,
        events=_flag(given, "events") or False,
    )


def _name(given: Mapping[str, str], parameter: str) -> str | None:
    value = given.get(parameter)
    if value is None:
        return None
    allowed = all(sign.isascii() and (sign.isalnum() or sign in "._-") for sign in value)
    if len(value) > MAX_NAME_CHARS or not allowed or value.startswith("."):
        raise QueryError(
            parameter, f"{parameter} is no name; use at most {MAX_NAME_CHARS} letters, digits, '.', '_' and '-', not beginning with '.'"
        )
    return value


def _seed(given: Mapping[str, str]) -> int | None:
    value = given.get("seed")
    if value is None:
        return None
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19 and -1 <= int(value) < 2**63):
        raise QueryError("seed", "seed is no whole number from 0 to 2^63-1 (-1 stands for none)")
    # NVIDIA's web client sends -1 for "no seed".
    return None if int(value) == -1 else int(value)


def _number(given: Mapping[str, str], parameter: str, least: float, most: float) -> float:
    try:
        number = float(given[parameter])
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise QueryError(parameter, f"{parameter} is no number from {least:g} to {most:g}")
    return number


def _flag(given: Mapping[str, str], parameter: str) -> bool | None:
    if parameter not in given:
        return None
    flag = _FLAGS.get(given[parameter].lower())
    if flag is None:
        raise QueryError(parameter, f"{parameter} is neither 1 nor 0")
    return flag
