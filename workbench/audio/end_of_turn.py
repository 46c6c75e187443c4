"""Has the user finished, or only paused? smart-turn v3.2 judges from the sound of the last eight seconds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workbench.audio.frames import LISTEN_RATE, Pcm
from workbench.audio.onnx import SMART_TURN, open_model

WINDOW_S = 8
"""What the model hears; what is shorter is led in by silence."""
FFT_SAMPLES = 400
HOP_SAMPLES = 160
MELS = 80


@lru_cache(maxsize=1)
def _mel_filters() -> NDArray[np.float64]:
    """Triangles on Slaney's mel scale (linear below 1 kHz, then 27 steps per factor 6.4), each of area 2: `[80, 201]`.

    M. Slaney, Auditory Toolbox, technical report 1998-010, as used by Whisper.
    """
    top_mel = 15 + 27 * np.log(LISTEN_RATE / 2 / 1_000) / np.log(6.4)
    mels = np.linspace(0, top_mel, MELS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1_000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, LISTEN_RATE / 2, FFT_SAMPLES // 2 + 1)
    low, mid, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    triangles = np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))
    filters: NDArray[np.float64] = np.clip(triangles, 0, None) * 2 / (high - low)
    return filters


def log_mel(pcm_16k: Pcm) -> NDArray[np.float32]:
    """Whisper's features of the last 8 s of `[n]` samples at 16 kHz: `[80, 800]`, one column per 10 ms.

    The wave is brought to zero mean and unit variance, then |STFT|^2 (Hann 25 ms, hop 10 ms, reflected edges), mel, log10 floored
    8 below its maximum, scaled by (x + 4) / 4. Radford et al. 2022, section 2.2.
    """
    length = WINDOW_S * LISTEN_RATE
    sound = np.zeros(length, dtype=np.float32)
    tail = pcm_16k[-length:]
    sound[length - len(tail) :] = tail
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    padded = np.pad(sound, FFT_SAMPLES // 2, mode="reflect")
    frames = sliding_window_view(padded, FFT_SAMPLES)[:length:HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT_SAMPLES + 1)[:-1])) ** 2
    log = np.log10(np.maximum(_mel_filters() @ power.T, 1e-10))
    features: NDArray[np.float64] = (np.maximum(log, log.max() - 8) + 4) / 4
    return features.astype(np.float32)


class EndOfTurn:
    """The shared judge; it works in a thread of its own, so that a talk's frames go on. 35 ms on a quiet core, 120 to 190 on a busy one."""

    name = "smart-turn v3.2"

    def __init__(self) -> None:
        """Loads the model. Raises AudioError when it is missing."""
        self._model = open_model(SMART_TURN)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="end-of-turn")

    async def score(self, pcm_16k: Pcm) -> float:
        """Probability that the turn is complete, from the last 8 s of the user's sound `[n]` with its pause at the end."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._score, pcm_16k.copy())

    def _score(self, pcm_16k: Pcm) -> float:
        (answer,) = self._model.run(None, {"input_features": log_mel(pcm_16k)[None]})
        return float(answer[0, 0])

    def close(self) -> None:
        """Ends the thread; a score that is being computed still arrives."""
        self._worker.shutdown(wait=False)
