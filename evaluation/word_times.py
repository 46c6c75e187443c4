"""The times of an agent's words, for metrics that count words: from a recogniser on its sound, or from the engine's own text.

The choice moves results by more than the choice of model does, so every result names its source, and one run has only one:

- `pocketsphinx`: the recogniser of the wheel, over each stretch of sound that the energy detector finds. Words and times are those of
  the audible sound, as in the benchmarks; but it mishears some 40 % of words, while the benchmarks use Parakeet.
- `engine-text`: what the engine says that it said, each word from where its sound begins to the next word, or to the end of the agent's
  sound. No word is misheard; but nobody has listened, and a word that was swallowed counts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Literal, get_args

import pocketsphinx

from evaluation.detectors import energy_segments
from evaluation.fdb_v15_timing import joined
from evaluation.words import Span, Word
from workbench.audio.frames import LISTEN_RATE, SAMPLE_RATE, Pcm, silence, to_int16
from workbench.audio.resample import resample
from workbench.engines.speech.level import Leveller
from workbench.engines.speech.pocketsphinx_decoding import CMN
from workbench.events import AgentText
from workbench.pieces import PieceJoiner

WordSource = Literal["pocketsphinx", "engine-text"]
SOURCES: tuple[WordSource, ...] = get_args(WordSource)

JOINED_S = 0.5
"""Silence up to this lies inside a stretch: a recogniser cut at every breath loses the language model's help."""
MARGIN_S = 0.15
"""Sound before and after a stretch that the recogniser hears too: an energy detector cuts soft consonants."""
FRAME_S = 0.01


def named(source: WordSource) -> str:
    """What a result calls the source, with its version."""
    if source == "engine-text":
        return "the engine's own text with the times of its frames (no recogniser heard the sound)"
    return f"pocketsphinx {version('pocketsphinx')}, embedded model, per stretch of sound"


def recognised(sound: Pcm, from_s: float = 0.0) -> list[Word]:
    """Words of `sound` [n] at 24 kHz as pocketsphinx hears them, on the clock of the whole sound. `from_s`: nothing before it is heard,
    as the benchmark cuts a file at the end of an interruption. Takes a fifth of the length of the speech (61 s of clips, a busy core)."""
    heard = sound[round(from_s * SAMPLE_RATE) :]
    if not heard.any():
        return []
    clip = resample(heard, SAMPLE_RATE, LISTEN_RATE)
    found: list[Word] = []
    for start, end in joined(energy_segments(clip, LISTEN_RATE), JOINED_S):
        first = max(0, round((start - MARGIN_S) * LISTEN_RATE))
        stretch = clip[first : round((end + MARGIN_S) * LISTEN_RATE)]
        found += _decoded(stretch, from_s + first / LISTEN_RATE)
    return found


def engine_words(pieces: Iterable[AgentText], sounding: Sequence[Span], length_s: float, from_s: float = 0.0) -> list[Word]:
    """Words of an engine's text, in order. `sounding`: the agent's speech in seconds; a word lasts until the next one begins, at most to
    the end of the sound it lies in. Words that have ended by `from_s` are left out, one in the middle begins there; none lies beyond
    `length_s`."""
    begun = [(text, onset) for text, onset in _words(pieces) if onset < length_s]
    found = []
    for number, (text, onset) in enumerate(begun, start=1):
        following = begun[number][1] if number < len(begun) else length_s
        # A word may be stamped a little before the detector hears it.
        quiet = next((end for _start, end in sounding if end > onset), length_s)
        end = max(onset, min(following, quiet, length_s))
        if end > from_s or onset >= from_s:
            found.append(Word(text, max(onset, from_s), end))
    return found


def _words(pieces: Iterable[AgentText]) -> list[tuple[str, float]]:
    """Pieces joined to words, each with the second at which its first piece sounds. A space before or after a piece parts words."""
    joiner = PieceJoiner()
    found: list[tuple[str, float]] = []
    whole = True
    for piece in pieces:
        shown = joiner.add(piece.text)
        at_s = piece.at_samples / SAMPLE_RATE
        for index, part in enumerate(shown.split(" ")):
            if index:
                whole = True
            if not part.strip():
                continue
            if whole:
                found.append((part.strip(), at_s))
            else:
                found[-1] = (found[-1][0] + part.strip(), found[-1][1])
            whole = False
    return found


@functools.cache
def _decoder() -> Any:
    # Two passes more than in a live talk: nobody waits here.
    decoder = pocketsphinx.Decoder(loglevel="FATAL")
    decoder.set_cmn(CMN)
    return decoder


def _decoded(stretch: Pcm, offset_s: float) -> list[Word]:
    leveller = Leveller()
    levelled = [leveller.push(stretch), leveller.finish(), silence(round(MARGIN_S * LISTEN_RATE))]
    decoder = _decoder()
    # Every stretch begins anew: what was heard before must not move it, or a resumed run would hear other words.
    decoder.set_cmn(CMN)
    decoder.start_utt()
    for part in levelled:
        if part.size:
            decoder.process_raw(to_int16(part).tobytes())
    decoder.end_utt()
    return [
        Word(s.word.split("(")[0], offset_s + s.start_frame * FRAME_S, offset_s + (s.end_frame + 1) * FRAME_S)
        for s in (decoder.seg() or ())
        if s.word[0] not in "<[+("
    ]
