"""pocket-tts in a process of its own: `python -m workbench.engines.speech.pocket_tts_worker`, spoken to as `voice_pipe` says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import to_int16
from workbench.engines.speech.pocket_tts_engine import MODEL
from workbench.engines.speech.voice_pipe import protocol_streams, serve


class Sound(Protocol):
    """What the model yields: a tensor `[n]` on the CPU."""

    def numpy(self) -> NDArray[np.float32]: ...


class Model(Protocol):
    """What is used of `pocket_tts.TTSModel`."""

    sample_rate: int

    def get_state_for_audio_prompt(self, audio_conditioning: str) -> Any: ...

    def generate_audio_stream(self, model_state: Any, text_to_generate: str, *, stop: threading.Event) -> Iterator[Sound]: ...


class PocketVoice:
    """Speaks with a loaded model; a voice's state is read once and copied by the model for each text."""

    def __init__(self, model: Model) -> None:
        self.rate = model.sample_rate
        self._model = model
        self._states: dict[str, Any] = {}

    def speak(self, text: str, voice: str, emit: Callable[[bytes], bool]) -> None:
        """Hands over int16 sound, about 80 ms at a time. Raises what the model raises."""
        if voice not in self._states:
            self._states[voice] = self._model.get_state_for_audio_prompt(voice)
        stop = threading.Event()
        # Once told to stop the model ends by itself; its threads must have ended before the next text.
        for sound in self._model.generate_audio_stream(self._states[voice], text, stop=stop):
            if not stop.is_set() and not emit(to_int16(sound.numpy()).astype("<i2").tobytes()):
                stop.set()


if __name__ == "__main__":
    streams = protocol_streams()
    from pocket_tts import TTSModel

    pocket = PocketVoice(TTSModel.load_model(language=MODEL, quantize=True))
    serve(pocket.rate, pocket.speak, streams)
