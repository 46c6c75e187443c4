"""Audio files in and out, at the session's 24 kHz mono."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile

from workbench.audio.errors import AudioError
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.resample import resample

MAX_CLIP_S = 4 * 3_600
"""Longest clip that is loaded whole (1.4 GB at 24 kHz)."""
_CUT_OFF = re.compile(r"^data : (?P<promised>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE)
"""What libsndfile logs of a WAV file whose data chunk is shorter than its header says."""
_UNKNOWN_LENGTH = 0x7FFF_0000
"""Programs that write a WAV to a pipe put a length from here up, and mean "to the end"."""


def load_wav(path: Path | str) -> Pcm:
    """A sound file (WAV, FLAC, Ogg; any rate, channels and sample format) as `[n]` float32 at 24 kHz, channels averaged.

    Raises AudioError for a file that is missing, not audio, empty, or cut off.
    """
    path = Path(path)
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames == 0:
                raise AudioError(f"{path.name} holds no sound; record it again")
            if file.frames > MAX_CLIP_S * file.samplerate:
                raise AudioError(f"{path.name} is {file.frames / file.samplerate / 3600:.1f} h long; cut it to {MAX_CLIP_S // 3600} h")
            cut_off = _CUT_OFF.search(file.extra_info)
            if cut_off and int(cut_off["promised"]) < _UNKNOWN_LENGTH:
                raise AudioError(f"{path.name} is cut off: {cut_off['found']} of {cut_off['promised']} bytes; copy or record it again")
            channels = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, OSError) as fault:
        reason = "it is not there" if not path.exists() else str(getattr(fault, "error_string", fault)).rstrip(".")
        raise AudioError(f"{path.name} cannot be read as audio ({reason}); give a WAV or FLAC file") from fault
    if not np.isfinite(channels).all():
        raise AudioError(f"{path.name} holds samples that are no numbers; export it again as 16-bit PCM")
    try:
        return resample(channels.mean(axis=1), rate, SAMPLE_RATE)
    except ValueError as fault:
        raise AudioError(f"{path.name}: {fault}") from fault


def write_wav(path: Path | str, pcm: Pcm, rate: int = SAMPLE_RATE) -> None:
    """Writes `[n]` mono or `[n, channels]` float32 as 16-bit WAV. Raises AudioError when the file cannot be written."""
    path = Path(path)
    try:
        soundfile.write(path, np.clip(pcm, -1.0, 1.0), rate, subtype="PCM_16", format="WAV")
    except (soundfile.LibsndfileError, OSError) as fault:
        raise AudioError(f"{path} cannot be written ({fault}); choose a folder that exists and has room") from fault
