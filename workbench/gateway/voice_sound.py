"""A voice prompt as sound: what a recording must be to become one. Needs no model, so that it can be checked where none is."""

from __future__ import annotations

from pathlib import Path

import soundfile

from workbench.audio.errors import AudioError
from workbench.audio.frames import Pcm
from workbench.audio.wav import load_wav
from workbench.gateway.loudness import normalise

VOICE_LUFS = -24.0
MAX_VOICE_S = 30.0
"""The published voices last 3.5 to 5.5 s; all of it stays in the attention window for the whole talk."""


class VoiceError(Exception):
    """A voice cannot be used. The message says what is wrong with it and how to mend it."""


def voice_sound(path: Path) -> Pcm:
    """The samples [n] of a sound file at 24 kHz, mono, -24 LUFS. Raises VoiceError: no sound file, silent, or not 0.4 to 30 s long."""
    _check_length(path)
    try:
        pcm = normalise(load_wav(path), VOICE_LUFS)
    except AudioError as error:
        raise VoiceError(f"{path.name}: {error}") from error
    except ValueError as error:
        raise VoiceError(f"{path.name}: {error}; give 1 to {MAX_VOICE_S:.0f} s of clear speech") from error
    return pcm


def _check_length(path: Path) -> None:
    """By the file's head, before anything is unpacked: some MB of FLAC can hold hours."""
    try:
        head = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError):
        # What is no sound file is told by whoever reads it.
        return
    if head.duration > MAX_VOICE_S:
        raise VoiceError(f"{path.name}: {head.duration:.0f} s are too long; give at most {MAX_VOICE_S:.0f} s")
