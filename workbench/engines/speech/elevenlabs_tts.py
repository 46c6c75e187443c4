"""ElevenLabs' hosted voice, streamed as 24 kHz PCM. Used only when a key is set; the text leaves the machine.

Not run against the real service; tested against a local server that answers as its API reference describes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, Sequence

import httpx
import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm, from_int16
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.shaping import Shaper
from workbench.engines.speech.spoken_text import cut, spoken

BASE_URL = "https://api.elevenlabs.io"
ARABELLA = "aEO01A4wXwd1O8GPgGlF"
"""MYCA's voice."""
MODEL = "eleven_turbo_v2_5"
VOICE_SETTINGS = {"stability": 0.4, "similarity_boost": 0.8, "style": 0.2, "use_speaker_boost": True}
MAX_CHARS = 1_000
"""Longer texts are cut at a word: every character costs quota."""
TIMEOUT = httpx.Timeout(10.0, connect=3.0)
"""Seconds; 10 s between two pieces of sound, 3 s to connect."""

_VOICE_ID = re.compile(r"[A-Za-z0-9]{8,64}")
_ERROR_IN_SOUND = b'{"detail"'
"""A stream that fails after it began may go on with the error's JSON; no sound begins with these nine bytes."""
_KEY_REPAIR = "set ELEVENLABS_API_KEY to a valid key of an ElevenLabs account"


class QuotaExceeded(SpeechError):
    """The account has no credits left, or sends too many requests at once."""


class ElevenLabsTts:
    """Implements `Tts`. The key is in no message, log or repr. Raises SpeechError for a voice id that cannot be one."""

    name = "elevenlabs"

    def __init__(
        self, api_key: str, *, voice_id: str | None = None, why: str = "ELEVENLABS_API_KEY is set", base_url: str = BASE_URL
    ) -> None:
        """`voice_id`: an id of the account instead of Arabella's (MYCA_VOICE_ID)."""
        self.why = why
        # The key goes into a header; a line break in it would be another header.
        if not api_key.isascii() or not api_key.isprintable() or not api_key.strip():
            raise SpeechError(f"the ElevenLabs key has signs that no key has; {_KEY_REPAIR}")
        if voice_id is not None and not _VOICE_ID.fullmatch(voice_id):
            raise SpeechError(f"{voice_id!r} is no ElevenLabs voice id (letters and digits); mend MYCA_VOICE_ID or unset it")
        self._ids = {"arabella": ARABELLA} if voice_id in (None, ARABELLA) else {"custom": voice_id or "", "arabella": ARABELLA}
        self.voices: Sequence[str] = tuple(self._ids)
        self._key = api_key.strip()
        self._client = httpx.AsyncClient(base_url=base_url, headers={"xi-api-key": self._key}, timeout=TIMEOUT)

    async def handshake(self) -> float:
        """Asks the service for its models, which costs nothing. Returns the milliseconds it took; raises SpeechError."""
        began_s = time.perf_counter()
        try:
            response = await self._client.get("/v1/models")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        # A key that may only speak is refused here by name, and is good.
        if response.status_code != httpx.codes.OK and _status(response.content)[0] != "missing_permissions":
            raise self._refused(response.status_code, response.content)
        return (time.perf_counter() - began_s) * 1_000

    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        chosen = voice or self.voices[0]
        if chosen not in self._ids:
            raise SpeechError(f"ElevenLabs has no voice {voice!r} here; take one of: {', '.join(self.voices)}")
        said = cut(spoken(text), MAX_CHARS)
        if not any(map(str.isalnum, said)):
            return
        shaper = Shaper(SAMPLE_RATE)
        half = b""
        try:
            async with self._client.stream(
                "POST",
                f"/v1/text-to-speech/{self._ids[chosen]}/stream",
                params={"output_format": "pcm_24000"},
                json={"text": said, "model_id": MODEL, "voice_settings": VOICE_SETTINGS},
            ) as response:
                if response.status_code != httpx.codes.OK or "json" in response.headers.get("content-type", ""):
                    raise self._refused(response.status_code, await response.aread())
                async for data in response.aiter_bytes():
                    if data.startswith(_ERROR_IN_SOUND):
                        raise self._refused(response.status_code, data)
                    data = half + data
                    whole = len(data) // 2 * 2
                    half = data[whole:]
                    pcm = shaper.push(from_int16(np.frombuffer(data[:whole], dtype="<i2")))
                    if len(pcm):
                        yield pcm
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        await self._client.aclose()

    def _unreachable(self, error: httpx.HTTPError) -> SpeechError:
        what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else f"cannot be reached ({type(error).__name__})"
        return SpeechError(f"ElevenLabs {what}; check the network, or choose another voice with WORKBENCH_TTS")

    def _refused(self, code: int, body: bytes) -> SpeechError:
        status, told = _status(body)
        told = told.replace(self._key, "***")
        if status == "quota_exceeded" or code in (httpx.codes.PAYMENT_REQUIRED, httpx.codes.TOO_MANY_REQUESTS):
            return QuotaExceeded(f"the ElevenLabs quota is used up or too many texts were asked for at once ({status}): {told}")
        if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return SpeechError(f"ElevenLabs refused the key ({status}): {told}; {_KEY_REPAIR}")
        if status == "voice_not_found" or code == httpx.codes.NOT_FOUND:
            return SpeechError(f"ElevenLabs does not know the voice ({status}): {told}; mend MYCA_VOICE_ID or unset it")
        return SpeechError(f"ElevenLabs answered {code} ({status}): {told}; try again later, or choose another voice with WORKBENCH_TTS")


def _status(body: bytes) -> tuple[str, str]:
    """The error's name and sentence, as `{"detail": {"status" or "code": ..., "message": ...}}` carries them."""
    try:
        detail = json.loads(body)["detail"]
        return str(detail.get("code") or detail["status"]), str(detail.get("message", ""))[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no reason given", "no message"
