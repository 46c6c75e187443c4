"""The C library flite (libflite1), called through ctypes: text in, 16 kHz sound out of a callback while it is being made.

The struct layouts are those of flite 2.2's `cst_wave.h`, `cst_audio.h`, `cst_utterance.h` and `cst_voice.h`. The library is not
thread-safe: utterances link to shared voice features whose reference counts are changed without a lock. So one call runs at a time
in the whole process, in a worker thread, where waiting for the lock never holds up the event loop; ctypes releases the GIL.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
import unicodedata
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.engines.speech.base import SpeechError

VOICES = ("rms", "slt", "awb", "kal16")
"""The default first: `rms` is the most intelligible to a recogniser (9.6 % word errors, `slt` 21.5 %, `awb` 15.6 %, `kal16` 17.8 %)."""
CHUNK_SAMPLES = 640
"""Smallest chunk the library gives, in samples at the voice's rate (40 ms)."""

RANDOM_START = 1
"""flite draws the noise in its voices from libc's `rand`, which the whole process shares. Begun here for every text, the same text is the
same sound to the sample, so that a talk in virtual time can be held again."""

_STOP = -1
_CONTINUE = 0
_lock = threading.Lock()


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _StreamingInfo(ctypes.Structure):
    pass


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Wave), ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_StreamingInfo))
_StreamingInfo._fields_ = (
    ("min_buffsize", ctypes.c_int),
    ("asc", _Callback),
    ("utt", ctypes.c_void_p),
    ("item", ctypes.c_void_p),
    ("userdata", ctypes.c_void_p),
)


class _Utterance(ctypes.Structure):
    """The start of `cst_utterance`: only its features are read here."""

    _fields_ = (("features", ctypes.c_void_p),)


Take = Callable[[NDArray[np.int16], int], bool]
"""`(samples, rate) -> go on?`; called in the thread of `FliteLibrary.say`."""


class FliteLibrary:
    """The library and its voices. Raises SpeechError when `libflite1` is not installed."""

    def __init__(self) -> None:
        self._flite = _load("flite")
        declare = self._flite
        declare.new_utterance.restype = ctypes.POINTER(_Utterance)
        declare.new_audio_streaming_info.restype = ctypes.POINTER(_StreamingInfo)
        declare.audio_streaming_info_val.restype = ctypes.c_void_p
        declare.audio_streaming_info_val.argtypes = [ctypes.POINTER(_StreamingInfo)]
        declare.feat_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        declare.utt_set_input_text.argtypes = [ctypes.POINTER(_Utterance), ctypes.c_char_p]
        declare.utt_init.argtypes = [ctypes.POINTER(_Utterance), ctypes.c_void_p]
        declare.utt_synth.argtypes = [ctypes.POINTER(_Utterance)]
        declare.utt_synth.restype = ctypes.c_void_p
        declare.delete_utterance.argtypes = [ctypes.POINTER(_Utterance)]
        declare.delete_utterance.restype = None
        self._voices: dict[str, int] = {}
        with _lock:
            declare.flite_init()
            for name in VOICES:
                if ctypes.util.find_library(f"flite_cmu_us_{name}"):
                    register = getattr(_load(f"flite_cmu_us_{name}"), f"register_cmu_us_{name}")
                    register.restype = ctypes.c_void_p
                    register.argtypes = [ctypes.c_char_p]
                    self._voices[name] = register(None)
        if not self._voices:
            raise SpeechError(
                "flite cannot be used: none of its voices was found. Install them again: apt-get install --reinstall libflite1"
            )
        self.voices: tuple[str, ...] = tuple(self._voices)
        """Installed voices, the default first."""

    def say(self, text: str, voice: str, take: Take) -> None:
        """Synthesises `text` (one clause) and hands over each chunk of int16 as it is made; blocks until done or `take` says stop.

        Raises SpeechError when the library gives up, or with what `take` raised.
        """
        failures: list[Exception] = []

        def receive(wave: ctypes._Pointer[_Wave], start: int, size: int, _last: int, _info: ctypes._Pointer[_StreamingInfo]) -> int:
            try:
                sound = wave.contents
                samples = np.ctypeslib.as_array(sound.samples, (sound.num_samples,))[start : start + size].copy()
                return _CONTINUE if take(samples, sound.sample_rate) else _STOP
            except Exception as error:  # noqa: BLE001 - nothing may be raised through C; it is raised below
                failures.append(error)
                return _STOP

        # `callback` must live until the call is over.
        callback = _Callback(receive)
        with _lock:
            self._flite.srand(RANDOM_START)
            utterance = self._flite.new_utterance()
            try:
                info = self._flite.new_audio_streaming_info()
                info.contents.min_buffsize = CHUNK_SAMPLES
                info.contents.asc = callback
                self._flite.utt_set_input_text(utterance, plain_ascii(text).encode("ascii"))
                self._flite.utt_init(utterance, self._voices[voice])
                # Set on this utterance, not on the voice that other talks share. The utterance owns and frees it.
                self._flite.feat_set(utterance.contents.features, b"streaming_info", self._flite.audio_streaming_info_val(info))
                made = self._flite.utt_synth(utterance)
            finally:
                self._flite.delete_utterance(utterance)
        if failures:
            raise SpeechError(f"flite's sound could not be taken: {failures[0]}") from failures[0]
        if made is None:
            raise SpeechError(f"flite could not speak {text!r}; take another voice with WORKBENCH_TTS, such as espeak-ng")


def plain_ascii(text: str) -> str:
    """The library reads bytes as English ASCII: accents are taken off, typographic quotes and dashes made plain, other signs dropped."""
    plain = text.translate(str.maketrans("‘’“”–—…", "''\"\"--."))
    letters = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode("ascii")
    return "".join(letter for letter in letters if letter.isprintable())


def _load(name: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        raise SpeechError(f"flite cannot be used: the system library lib{name} was not found. Install it: apt-get install libflite1")
    try:
        return ctypes.CDLL(found)
    except OSError as error:
        raise SpeechError(f"flite cannot be used: {error}. Install it again: apt-get install --reinstall libflite1") from error
