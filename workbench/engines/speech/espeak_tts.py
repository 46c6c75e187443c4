"""The voice of last resort: espeak-ng, robotic but always there and instant. The GPL-3 library stays in a process of its own."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.worker_tts import WorkerTts

VOICES = ("en-us", "en-us+f3")
"""Names of the library, the default first; `+f3` is a female variant."""


class EspeakTts(WorkerTts):
    """Implements `Tts`. Raises SpeechError when the wheel is not installed."""

    def __init__(self, why: str = "espeak-ng comes with the workbench") -> None:
        # Looked for, never imported: nothing of the wheel is loaded into this process.
        if find_spec("espeakng_loader") is None:
            raise SpeechError("espeak-ng cannot be used: the package espeakng-loader is not installed. Install it: uv sync")
        super().__init__("espeak-ng", why, VOICES, (sys.executable, "-m", "workbench.engines.speech.espeak_worker"))
