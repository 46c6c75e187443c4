"""Ogg/Opus as PersonaPlex servers and clients stream it: mono, one continuous Ogg stream per direction, 24 kHz on our side.

The codec delays the sound by `CODEC_DELAY_SAMPLES` per pass and keeps its length: n samples in are n samples out, in pages of
`PAGE_SAMPLES`. Everything here runs in the caller's thread, without background threads (sphn >= 0.2). Encoding, which takes five times as
long as decoding, lets other threads run meanwhile: sphn's writer would hold the interpreter, and a model that steps beside it.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import sphn

from workbench.audio.errors import AudioError
from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.audio.ogg import GRANULES_PER_S, OggPages

CODEC_DELAY_SAMPLES = 155
"""6.5 ms: lag of the decoded against the encoded sound, measured by cross-correlation (tests/audio/test_opus.py)."""
PAGE_SAMPLES = 960
"""The writer makes an Opus packet of every 40 ms, and an Ogg page of every packet."""
BIT_RATE = 32_000
"""About what moshi's own clients and servers send."""

MAX_APPEND_BYTES = 65_536
"""The most bytes one `OpusReader.append` takes; 80 ms of speech are about 300 bytes."""
MAX_APPEND_SAMPLES = 10 * SAMPLE_RATE
"""The most sound one `OpusReader.append` may unpack: two bytes of Opus can stand for 120 ms."""
MAX_PENDING_BYTES = 262_144
"""The most bytes that may come without any sound in them (an Ogg packet may go on from page to page for ever)."""

_SLICE_BYTES = 256
"""sphn refuses a call whose bytes unpack to more than a few seconds."""


class CodecError(AudioError):
    """The bytes are no Ogg/Opus stream, or one that unpacks to too much. The reader has begun afresh and can be used again."""


class OpusWriter:
    """Encodes one stream. The first bytes that come out begin with the two Ogg header pages."""

    def __init__(self) -> None:
        self._encoder = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate = SAMPLE_RATE
        self._encoder.layout = "mono"
        self._encoder.format = "flt"
        self._encoder.time_base = Fraction(1, SAMPLE_RATE)
        self._encoder.bit_rate = BIT_RATE
        self._encoder.options = {"application": "voip", "frame_duration": str(1_000 * PAGE_SAMPLES // SAMPLE_RATE)}
        self._pages = OggPages(pre_skip=CODEC_DELAY_SAMPLES * GRANULES_PER_S // SAMPLE_RATE, vendor="PersonaPlex Workbench")
        self._rest = silence(0)
        self.written_samples = 0
        """Samples taken by `append` so far."""

    @property
    def held_samples(self) -> int:
        """Samples that wait for their page to fill, fewer than `PAGE_SAMPLES`."""
        return self._rest.size

    def append(self, pcm: Pcm) -> bytes:
        """Takes float32 mono samples, any number of them, and gives the pages that are full now (`b""` if none is).

        NaN and infinity become silence, loud samples are clipped: a broken engine must not break the stream.
        """
        if pcm.ndim != 1:
            raise ValueError(f"pcm has shape {pcm.shape}; pass mono samples of shape [n]")
        clean = np.nan_to_num(pcm, nan=0.0, posinf=0.0, neginf=0.0).clip(-1.0, 1.0).astype(np.float32, copy=False)
        header = b"" if self.written_samples or not pcm.size else self._pages.header()
        sound = np.concatenate((self._rest, clean))
        self.written_samples += pcm.size
        full = sound.size // PAGE_SAMPLES * PAGE_SAMPLES
        self._rest = sound[full:]
        return header + b"".join(self._page(sound[begin : begin + PAGE_SAMPLES]) for begin in range(0, full, PAGE_SAMPLES))

    def flush(self) -> bytes:
        """Fills the open page with silence and gives it, so that the last words are not left behind."""
        return self.append(silence(-self.written_samples % PAGE_SAMPLES))

    def _page(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        granules = PAGE_SAMPLES * GRANULES_PER_S // SAMPLE_RATE
        return b"".join(self._pages.page(bytes(packet), granules) for packet in self._encoder.encode(frame))


class OpusReader:
    """Decodes one stream, in pieces cut anywhere."""

    def __init__(self) -> None:
        self._reader = sphn.OpusStreamReader(SAMPLE_RATE)
        self._pending_bytes = 0
        self.read_samples = 0
        """Samples given by `append` so far."""
        self.errors = 0
        """How often the stream was broken and began afresh."""

    def append(self, data: bytes) -> Pcm:
        """Takes the next bytes and gives the samples they complete, [n] float32 at 24 kHz, often none.

        Raises CodecError for anything else than Ogg/Opus. What was decoded before is not affected; the next call starts a new
        stream, which may go on without its header pages.
        """
        if len(data) > MAX_APPEND_BYTES:
            self._restart()
            raise CodecError(f"{len(data):,} bytes of Opus at once; send at most {MAX_APPEND_BYTES:,} (80 ms are about 300)")
        chunks: list[Pcm] = []
        samples = 0
        for begin in range(0, len(data), _SLICE_BYTES):
            piece = data[begin : begin + _SLICE_BYTES]
            try:
                pcm = self._reader.append_bytes(piece)
            except ValueError as error:
                self._restart()
                raise CodecError(f"not an Ogg/Opus stream ({error}); send mono Ogg/Opus pages, header pages first") from error
            self._pending_bytes = 0 if pcm.size else self._pending_bytes + len(piece)
            samples += pcm.size
            if samples > MAX_APPEND_SAMPLES or self._pending_bytes > MAX_PENDING_BYTES:
                self._restart()
                raise CodecError(
                    f"{len(data):,} bytes unpack to more than {MAX_APPEND_SAMPLES / SAMPLE_RATE:.0f} s"
                    if samples > MAX_APPEND_SAMPLES
                    else f"more than {MAX_PENDING_BYTES:,} bytes without any sound; send audio packets of 20 to 80 ms"
                )
            chunks.append(pcm)
        self.read_samples += samples
        return np.concatenate(chunks) if chunks else silence(0)

    def _restart(self) -> None:
        self._reader = sphn.OpusStreamReader(SAMPLE_RATE)
        self._pending_bytes = 0
        self.errors += 1
