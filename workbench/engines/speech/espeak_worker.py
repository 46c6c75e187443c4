"""espeak-ng in a process of its own: `python -m workbench.engines.speech.espeak_worker`, spoken to as `voice_pipe` says.

The library is GPL-3. It is loaded here and nowhere else; the workbench only exchanges text and sound with this process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import espeakng_loader

from workbench.engines.speech.voice_pipe import protocol_streams, serve

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_BUFFER_MS = 200
"""Sound per callback. A whole clause takes the library a few milliseconds, so larger pieces cost no latency."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library, initialised once per process. Raises RuntimeError when it does not start."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        home = str(Path(espeakng_loader.get_data_path()).parent).encode()
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, home, _DONT_EXIT)
        if self.rate <= 0:
            raise RuntimeError("espeak-ng did not start; install it again: uv sync --reinstall-package espeakng-loader")

    def speak(self, text: str, voice: str, emit: Callable[[bytes], bool]) -> None:
        """Hands over int16 sound in pieces of about 200 ms. Raises RuntimeError when the library refuses the voice or the text."""

        def receive(sound: ctypes._Pointer[ctypes.c_short], samples: int, _events: int) -> int:
            # A null pointer ends the text.
            return 0 if not sound or emit(ctypes.string_at(sound, samples * 2)) else 1

        # `callback` must live until the call is over.
        callback = _Callback(receive)
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        data = text.encode()
        if self._library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _CHARS_UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng refused the text")


if __name__ == "__main__":
    streams = protocol_streams()
    espeak = Espeak()
    serve(espeak.rate, espeak.speak, streams)
