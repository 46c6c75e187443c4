"""Free dictation and, beside it, the closed grammar, over the model in the pocketsphinx wheel. Runs only in the worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pocketsphinx

from workbench.audio.frames import Pcm, to_int16
from workbench.engines.speech.grammar import Grammar, build
from workbench.engines.speech.level import Leveller

CMN = "53.75,4.03,-1.16,5.66,-8.59,-0.30,-7.31,-4.83,-1.82,-2.81,0.14,-0.93,0.96"
"""Cepstral means of real microphones (medians over 34 clips). The package's own start value costs 3 to 6 points of word error rate."""

# What makes a phrase of the grammar a command. Tuned on 80 synthetic commands (4 voices, all found), 14 human ones (10 found; the others
# are lone digits) and 146 sentences and clips without a command (none taken). Held out: 56 of 56 found, none taken in 104; with white
# noise at 15 dB 16 of 28 found, 3 taken with a wrong word, none taken in 32.
MIN_WORD_SCORE = -50.0
"""Acoustic score per 10 ms frame of the phrase's words, log base 1.0001, relative to the best of *all* sounds in each frame. Spoken
commands had -24 to -47."""
MIN_ADVANTAGE = -16.0
"""The same for the whole utterance, phrase against free dictation: how much worse the closed grammar explains what was heard. Spoken
commands had -2 to -14, everything else was below -18."""
MIN_COVERAGE = 0.75
"""Frames that the phrase's words explain, as a share of those that dictation hears words in (the rest went into pauses). Spoken commands
had 0.88 and more."""


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    text: str
    score: float
    """Acoustic, all frames."""
    word_score: float
    word_frames: int


class Decoding:
    """One user's decoders, kept from utterance to utterance so that they stay used to the microphone."""

    def __init__(self, phrases: Sequence[str] = ()) -> None:
        # One pass: the second would take 100 ms and more after the end of speech, for 2 points of word error rate.
        self._dictation = pocketsphinx.Decoder(fwdflat=False, bestpath=False, loglevel="FATAL")
        self._dictation.set_cmn(CMN)
        self.grammar: Grammar = build(phrases, self._dictation.lookup_word)
        self._commands = _command_decoder(self.grammar) if self.grammar.phrases else None
        self._log = self._dictation.get_logmath()
        self._leveller = Leveller()
        self._open = False

    def feed(self, pcm_16k: Pcm) -> str:
        """More sound, `[n]`; gives the best guess so far."""
        self._process(self._leveller.push(pcm_16k))
        guess = self._dictation.hyp() if self._open else None
        return guess.hypstr if guess else ""

    def finish(self) -> tuple[str, str | None]:
        """Ends the utterance: its words, and the phrase that it is when it clearly is one."""
        self._process(self._leveller.finish())
        if not self._open:
            return "", None
        self._open = False
        self._dictation.end_utt()
        free = self._hypothesis(self._dictation)
        if self._commands is None:
            return free.text, None
        self._commands.end_utt()
        closed = self._hypothesis(self._commands)
        return free.text, self.grammar.phrases[closed.text] if _fits(closed, free) else None

    def _process(self, pcm_16k: Pcm) -> None:
        if not pcm_16k.size:
            return
        sound = to_int16(pcm_16k).tobytes()
        for decoder in (self._dictation, self._commands):
            if decoder is not None:
                if not self._open:
                    decoder.start_utt()
                decoder.process_raw(sound)
        self._open = True

    def _hypothesis(self, decoder: Any) -> _Hypothesis:
        best = decoder.hyp()
        if best is None or not best.hypstr:
            return _Hypothesis("", 0.0, 0.0, 0)
        score = word_score = 0.0
        word_frames = 0
        for segment in decoder.seg():
            # A score so bad that it is no positive number any more is as bad as can be.
            acoustic = self._log.log(segment.ascore) if segment.ascore > 0 else float("-inf")
            score += acoustic
            if segment.word[0] not in "<[+(":
                word_score += acoustic
                word_frames += segment.end_frame - segment.start_frame + 1
        return _Hypothesis(best.hypstr, score, word_score, word_frames)


def _fits(closed: _Hypothesis, free: _Hypothesis) -> bool:
    if not closed.text or not closed.word_frames:
        return False
    frames = max(closed.word_frames, free.word_frames)
    return (
        closed.word_score >= MIN_WORD_SCORE * closed.word_frames
        and closed.score - free.score >= MIN_ADVANTAGE * frames
        and closed.word_frames >= MIN_COVERAGE * free.word_frames
    )


def _command_decoder(grammar: Grammar) -> Any:
    # All sounds are scored in every frame: a score against the grammar's own sounds alone would look good for any noise.
    decoder = pocketsphinx.Decoder(lm=None, fwdflat=False, bestpath=False, compallsen=True, loglevel="FATAL")
    decoder.set_cmn(CMN)
    for word, phones in grammar.pronunciations.items():
        decoder.add_word(word, phones, update=True)
    end = max(target for _source, target, _word in grammar.transitions) + 1
    words = [(source, target, 1.0, word) for source, target, word in grammar.transitions]
    decoder.add_fsg("commands", decoder.create_fsg("commands", 0, end, words + [(state, end, 1.0) for state in grammar.ends]))
    decoder.activate_search("commands")
    return decoder
