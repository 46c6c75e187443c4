"""vLLM-Omni's full-duplex Realtime events, as far as a talk with PersonaPlex needs them: OpenAI's names with that server's extensions.

Written from `docs/serving/realtime_duplex_api.md` of vllm-project/vllm-omni at commit 09c32f18 (September 2026), and from what its
PersonaPlex plugin (`vllm_omni/model_executor/models/personaplex/duplex`, commit 0e617423) takes: 24 kHz float32 in units of 80 ms, a
bundled `.pt` voice, and a prompt that stays for the whole session. What a server sends is another program's word: everything is checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.audio.frames import FRAME_MS, SAMPLE_RATE, Pcm
from workbench.pieces import UNREADABLE

MAX_EVENT_BYTES = 4 * 2**20
"""A second of sound is 64 kB in base64; a message beyond this is none of this protocol, and ends the connection."""
MAX_SAID = 300
"""Characters of a server's own words that are passed on."""
MAX_WORDS = 10_000
"""Characters of words that one event may bring."""
OUTPUT = "pcm16"
INPUT = "pcm_f32le"


class BadEvent(Exception):
    """A message that is no event; the text says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the server."""

    kind: str
    data: Mapping[str, Any]

    @property
    def seq(self) -> int | None:
        """Its number in the session, by which a resumed one goes on."""
        found = self.data.get("server_event_seq")
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def text(self, *path: str) -> str:
        """The text at `path`, shortened and without control characters; empty when there is none."""
        found = self.at(*path)
        return said(found) if isinstance(found, str) else ""

    def at(self, *path: str) -> Any:
        """What is at `path`; None when there is nothing."""
        found: Any = self.data
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of an `error`, in either of its two shapes: nested, or flat as it comes before a session is there."""
        if isinstance(self.data.get("error"), Mapping):
            return self.text("error", "code") or "unknown", self.text("error", "message")
        return self.text("code") or "unknown", self.text("error")


def parse(message: str | bytes) -> Event:
    """Raises BadEvent."""
    if isinstance(message, bytes):
        raise BadEvent("binary, where events are text")
    try:
        data = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise BadEvent("no JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise BadEvent("no object with a type")
    return Event(data["type"], data)


def sound(event: Event) -> Pcm:
    """The samples of a `response.output_audio.delta`, [n] float32 at 24 kHz. Raises BadEvent for another format or rate, or no base64."""
    form, rate, delta = event.data.get("format", OUTPUT), event.data.get("sample_rate_hz", SAMPLE_RATE), event.data.get("delta")
    if form != OUTPUT or rate != SAMPLE_RATE:
        raise BadEvent(f"sound as {said(str(form))} at {said(str(rate))} Hz; {OUTPUT} at {SAMPLE_RATE} Hz was asked for")
    if not isinstance(delta, str):
        raise BadEvent("a sound without samples")
    try:
        raw = base64.b64decode(delta, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvent("a sound that is no base64") from error
    if len(raw) % 2:
        raise BadEvent("a sound that ends in the middle of a sample")
    pcm: Pcm = (np.frombuffer(raw, "<i2") / 32_768).astype(np.float32)
    return pcm


def readable(text: str) -> str:
    """The agent's words without what no database takes."""
    return text[:MAX_WORDS].encode("utf-8", "replace").decode().replace("\0", UNREADABLE)


def said(text: str) -> str:
    """A server's words, fit for a message."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", readable(text)).strip()
    return clean if len(clean) <= MAX_SAID else f"{clean[: MAX_SAID - 3]}..."


def open_session(model: str, instructions: str, voice: str) -> dict[str, Any]:
    """The first `session.update`. Turns are the model's own, so no detector is asked for; history follows what was heard."""
    return {
        "type": "session.update",
        "session": {
            "model": model,
            "modalities": ["audio", "text"],
            "instructions": instructions,
            "voice": voice,
            "input_audio_format": INPUT,
            "output_audio_format": OUTPUT,
            "sample_rate_hz": SAMPLE_RATE,
            "audio": {"input": {"sample_rate_hz": SAMPLE_RATE}, "output": {"format": {"type": "audio/pcm", "rate": SAMPLE_RATE}}},
            "turn_detection": None,
            "playback_commit_policy": "ack_only",
        },
    }


def append(frame: Pcm) -> dict[str, Any]:
    """80 ms of the user [1920]."""
    return {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(frame.astype("<f4").tobytes()).decode(),
        "input_audio_format": INPUT,
        "format": INPUT,
        "sample_rate_hz": SAMPLE_RATE,
        "duration_ms": FRAME_MS,
    }


def played(response_id: str, item_id: str, ms: int) -> dict[str, Any]:
    """How far a response has been heard."""
    told = {"type": "playback.ack", "response_id": response_id, "played_ms": ms, "committed_ms": ms}
    return told | ({"item_id": item_id} if item_id else {})


def resume(session_id: str, token: str, last_seq: int) -> dict[str, Any]:
    """Takes a session up on a new connection."""
    return {"type": "session.resume", "session_id": session_id, "resume_token": token, "last_received_server_event_seq": last_seq}
