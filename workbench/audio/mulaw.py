"""G.711 mu-law: the 8 kHz, 8 bit sound of telephones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import Pcm, from_int16, to_int16

TELEPHONE_RATE = 8_000
"""Samples per second of mu-law sound."""
SILENCE = 0xFF
"""The code of zero."""

_BIAS = 132
"""33 in G.711's 14 bits: with it added, every segment begins at a power of two."""
_LOUDEST = 32_635
"""The last decision value, 8159 in 14 bits; what is louder takes its code."""


def _table() -> NDArray[np.int16]:
    codes = ~np.arange(256, dtype=np.uint8)
    segment, step = (codes >> 4).astype(np.int32) & 7, (codes & 15).astype(np.int32)
    magnitude = (((step << 3) + _BIAS) << segment) - _BIAS
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


_DECODED = _table()
_ENCODED = np.zeros(65_536, np.uint8)
"""By the sample's bits as uint16."""


def _fill() -> None:
    samples = np.arange(-32_768, 32_768)
    biased = np.minimum(np.abs(samples), _LOUDEST) + _BIAS
    segment = np.frexp(biased)[1] - 8
    code = np.where(samples < 0, 0x80, 0) | (segment << 4) | ((biased >> (segment + 3)) & 15)
    _ENCODED[samples.astype(np.uint16)] = ~code.astype(np.uint8)


_fill()


def decode_mulaw(codes: bytes) -> Pcm:
    """[n] float32 at 8 kHz, one sample for each byte."""
    return from_int16(_DECODED[np.frombuffer(codes, np.uint8)])


def encode_mulaw(pcm: Pcm) -> bytes:
    """One byte for each sample of `pcm`, [n] float32 at 8 kHz. A sample on a decision value takes the louder code."""
    return _ENCODED[to_int16(pcm).view(np.uint16)].tobytes()
