"""A voice prompt as sound: what a recording must be to become one. Needs no model, so that it can be checked where none is."""

from __future__ import annotations

from pathlib import Path

from workbench.audio.errors import AudioError
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.wav import load_wav
from workbench.gateway.loudness import normalise

VOICE_LUFS = -24.0
MAX_VOICE_S = 30.0
"""The published voices last 3.5 to 5.5 s; all of it stays in the attention window for the whole talk."""


class VoiceError(Exception):
    """A voice cannot be used. The message says what is wrong with it and how to mend it."""


def voice_sound(path: Path) -> Pcm:
    """The samples [n] of a sound file at 24 kHz, mono, -24 LUFS. Raises VoiceError: no sound file, silent, or not 0.4 to 30 s long."""
    try:
        pcm = normalise(load_wav(path), VOICE_LUFS)
    except AudioError as error:
        raise VoiceError(f"{path.name}: {error}") from error
    except ValueError as error:
        raise VoiceError(f"{path.name}: {error}; give 1 to {MAX_VOICE_S:.0f} s of clear speech") from error
    if len(pcm) > MAX_VOICE_S * SAMPLE_RATE:
        raise VoiceError(f"{path.name}: {len(pcm) / SAMPLE_RATE:.0f} s are too long; give at most {MAX_VOICE_S:.0f} s")
    return pcm
