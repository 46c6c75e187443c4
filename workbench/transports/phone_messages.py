"""The messages of a media stream as Twilio sends them: JSON text, one object each, sound as base64 of 8 kHz mu-law."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.audio.mulaw import TELEPHONE_RATE

ENCODING = "audio/x-mulaw"
MAX_PAYLOAD_BYTES = TELEPHONE_RATE
"""One second in one message; 20 ms are usual."""
MAX_TEXT = 256
"""Characters of a name, an id or a value."""
MAX_PARAMETERS = 32
MAX_TIMESTAMP_MS = 2**40
DIGITS = frozenset("0123456789*#ABCD")


class PhoneMessageError(ValueError):
    """What came is no message of a media stream; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is there; a `Start` follows."""


@dataclass(frozen=True, slots=True)
class Start:
    """The stream begins."""

    stream_sid: str
    call_sid: str
    parameters: Mapping[str, str]
    """As the TwiML that asked for the stream gave them."""


@dataclass(frozen=True, slots=True)
class Media:
    """Sound of the caller."""

    timestamp_ms: int
    """Since the stream began, of its first sample."""
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Digit:
    """A key of the telephone was pressed."""

    digit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything sent before the mark of this name was played, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The stream is over: the caller hung up."""


@dataclass(frozen=True, slots=True)
class Other:
    """An event that means nothing here."""

    event: str


PhoneMessage = Connected | Start | Media | Digit | Mark | Stop | Other


def parse(text: str) -> PhoneMessage:
    """One message. Raises PhoneMessageError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PhoneMessageError(f"no JSON: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise PhoneMessageError(f"a JSON {type(found).__name__}; every message is an object")
    match event := _text(found, "event"):
        case "connected":
            return Connected()
        case "start":
            return _start(_object(found, "start"))
        case "media":
            return _media(_object(found, "media"))
        case "dtmf":
            digit = _text(_object(found, "dtmf"), "digit")
            if digit not in DIGITS:
                raise PhoneMessageError(f"the digit {digit!r} is on no telephone")
            return Digit(digit)
        case "mark":
            return Mark(_text(_object(found, "mark"), "name"))
        case "stop":
            return Stop()
    return Other(event)


def _start(told: Mapping[str, Any]) -> Start:
    heard = _object(told, "mediaFormat")
    encoding, rate, channels = heard.get("encoding"), heard.get("sampleRate"), heard.get("channels")
    if (encoding, rate, channels) != (ENCODING, TELEPHONE_RATE, 1):
        raise PhoneMessageError(f"mediaFormat is {str((encoding, rate, channels))[:80]}; it must be {ENCODING}, {TELEPHONE_RATE} Hz, mono")
    parameters = told.get("customParameters") or {}
    if not isinstance(parameters, dict) or len(parameters) > MAX_PARAMETERS:
        raise PhoneMessageError(f"customParameters is no object of at most {MAX_PARAMETERS} entries")
    return Start(_text(told, "streamSid"), _text(told, "callSid"), {str(name): str(value) for name, value in parameters.items()})


def _media(told: Mapping[str, Any]) -> Media | Other:
    if told.get("track", "inbound") != "inbound":
        return Other("media")
    stamp = told.get("timestamp")
    if isinstance(stamp, str) and stamp.isascii() and stamp.isdigit() and len(stamp) <= len(str(MAX_TIMESTAMP_MS)):
        stamp = int(stamp)
    if not isinstance(stamp, int) or isinstance(stamp, bool) or not 0 <= stamp <= MAX_TIMESTAMP_MS:
        raise PhoneMessageError("media.timestamp is no number of milliseconds")
    payload = told.get("payload")
    if not isinstance(payload, str):
        raise PhoneMessageError("media.payload is no text")
    if len(payload) > MAX_PAYLOAD_BYTES * 4 // 3 + 4:
        raise PhoneMessageError(f"media.payload has {len(payload)} characters; at most {MAX_PAYLOAD_BYTES} bytes of sound fit one message")
    try:
        return Media(stamp, base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError) as error:
        raise PhoneMessageError(f"media.payload is no base64: {error}") from error


def _object(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    if not isinstance(found, dict):
        raise PhoneMessageError(f"{name} is missing or no object")
    return found


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= MAX_TEXT:
        raise PhoneMessageError(f"{name} is missing or no text of 1 to {MAX_TEXT} characters")
    return found


def media(stream_sid: str, mulaw: bytes) -> str:
    """Sound to be played to the caller after what was sent before."""
    return json.dumps({"event": "media", "streamSid": stream_sid, "media": {"payload": base64.b64encode(mulaw).decode()}})


def mark(stream_sid: str, name: str) -> str:
    """Asks to be told when everything sent so far was played."""
    return json.dumps({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})


def clear(stream_sid: str) -> str:
    """Has everything dropped that was sent and not yet played."""
    return json.dumps({"event": "clear", "streamSid": stream_sid})
