"""Voice prompts that were uploaded, each with the consent of whoever speaks in it: `<name>.wav` and `<name>.json` beside each other."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench.audio.frames import SAMPLE_RATE
from workbench.engines.voices import PERSONAPLEX_VOICES
from workbench.gateway.voice_sound import VoiceError, voice_sound
from workbench.settings import Settings

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_TRIAL = ".trial"


@dataclass(frozen=True, slots=True)
class ShelfVoice:
    """One uploaded voice."""

    name: str
    speaker: str
    """Who is heard in it, as they are called by whoever uploaded it."""
    consented_at: str
    """When somebody said that the speaker agrees, ISO 8601 in UTC."""
    seconds: float
    sha256: str
    """Of the file as it was uploaded."""


def shelf_dir(settings: Settings) -> Path:
    """Where they lie. A gateway that the server starts takes its voices from there too, beside the checkpoint's own."""
    return settings.data_dir / "voices"


class VoiceShelf:
    """The uploaded voices of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> list[ShelfVoice]:
        """Those with both files, by name."""
        found = []
        for told in sorted(self._folder.glob("*.json")):
            if not told.with_suffix(".wav").is_file():
                continue
            try:
                found.append(ShelfVoice(**json.loads(told.read_text("utf-8"))))
            except (OSError, TypeError, ValueError) as error:
                log.warning("%s tells no consent (%s); upload the voice again", told, error)
        return found

    def add(self, name: str, sound: bytes, *, speaker: str, consent: bool) -> ShelfVoice:
        """Checks a recording as the gateway does and keeps it. An older voice of this name is replaced.

        Raises VoiceError: a name that is none or belongs to PersonaPlex, no consent, no sound of 0.4 to 30 s.
        """
        self._check_name(name)
        if not consent or not speaker.strip():
            raise VoiceError("a voice needs its speaker's name and consent; ask them, name them and tick that they agree")
        self._folder.mkdir(parents=True, exist_ok=True)
        # The gateway reads *.wav and *.pt only, so a trial is never taken for a voice; two at once are two files.
        trial = self._folder / f"{name}.{uuid.uuid4().hex}{_TRIAL}"
        try:
            trial.write_bytes(sound)
            try:
                seconds = len(voice_sound(trial)) / SAMPLE_RATE
            except VoiceError as error:
                raise VoiceError(str(error).replace(trial.name, name)) from error
            digest = hashlib.sha256(sound).hexdigest()
            voice = ShelfVoice(name, speaker.strip(), datetime.now(UTC).isoformat(timespec="seconds"), round(seconds, 2), digest)
            # The consent first: there must never be a voice without it.
            (self._folder / f"{name}.json").write_text(json.dumps(asdict(voice), ensure_ascii=False), "utf-8")
            trial.replace(self._folder / f"{name}.wav")
        finally:
            trial.unlink(missing_ok=True)
        return voice

    def remove(self, name: str) -> None:
        """Deletes a voice and its consent, for ever. Raises VoiceError when it is not there."""
        self._check_name(name)
        sound = self._folder / f"{name}.wav"
        if not sound.is_file():
            raise VoiceError(f"there is no uploaded voice {name!r}")
        sound.unlink()
        sound.with_suffix(".json").unlink(missing_ok=True)

    def _check_name(self, name: str) -> None:
        if NAME.fullmatch(name) is None:
            raise VoiceError(f"{name[:60]!r} cannot be a voice's name; use 1 to 40 letters, digits, hyphens and underscores")
        if name in PERSONAPLEX_VOICES:
            raise VoiceError(f"{name} is a voice of PersonaPlex itself; choose another name")
