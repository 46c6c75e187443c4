"""Backchannels: short acknowledgements inside the other's speech that take no turn.

An IPU is one when it is shorter than 1 s, lies whole within one stretch of the other (who so keeps the floor), has at most two words
and, where its words are known, only words of acknowledgement. Full-Duplex-Bench v1 counts duration and words alone; the lexicon keeps
"stop" out. An IPU that fails on its words is a failed attempt to take the floor. Neither takes a turn in `turns`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, ipus
from workbench.dynamics.turns import AGENT, USER, Speaker, within_overlap

BACKCHANNEL_WORDS = 2
"""More words than this are no backchannel (Full-Duplex-Bench v1, both script versions)."""
WORD_SLACK_MS = 300
"""Recognisers place a word this far beside the speech that a detector found."""
# fmt: off
ACKNOWLEDGEMENTS = frozenset((
    "ah", "aha", "alright", "cool", "exactly", "fine", "good", "gotcha", "great", "hm", "hmm", "huh", "indeed",
    "interesting", "k", "mhm", "mm", "mmhm", "mmm", "mm-hm", "mm-hmm", "nice", "oh", "ok", "okay", "really", "right",
    "sure", "totally", "true", "uh", "uh-huh", "uhhuh", "uhuh", "um", "wow", "yeah", "yep", "yes", "yup",
))
# fmt: on
"""English words of acknowledgement. Our own list; the idea of cue words is that of CANDOR's Backbiter rule (Reece et al. 2023)."""
GLUE: dict[Speaker, str] = {USER: " ", AGENT: ""}
"""What goes between two of a speaker's texts: the agent's come in pieces that bring their own spaces."""
_WORD = re.compile(r"[\w'-]+")


@dataclass(frozen=True, slots=True)
class TimedText:
    """Words at one moment of a track: a word, a piece or a whole utterance, by the sample it begins at."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class BackchannelFound:
    """One backchannel with the words that were heard of it, which may be none."""

    speaker: Speaker
    start: int
    end: int
    words: tuple[TimedText, ...]

    @property
    def text(self) -> str:
        return joined(self.speaker, self.words)

    @property
    def segment(self) -> Segment:
        return Segment(self.start, self.end)

    @property
    def duration_ms(self) -> float:
        return (self.end - self.start) / SAMPLES_PER_MS


def joined(speaker: Speaker, words: Sequence[TimedText]) -> str:
    """The words as one text, "" for none."""
    return GLUE[speaker].join(word.text for word in words).strip()


def is_acknowledgement(text: str) -> bool:
    """Whether words, if there are any, only acknowledge: at most two, all of the lexicon. Silence of the recogniser passes."""
    words = _WORD.findall(text.lower())
    return len(words) <= BACKCHANNEL_WORDS and all(word in ACKNOWLEDGEMENTS for word in words)


def words_by_ipu(speech: Sequence[Segment], words: Sequence[TimedText]) -> list[list[TimedText]]:
    """For each stretch of speech the words that are nearest to it, and no further off than `WORD_SLACK_MS`."""
    found: list[list[TimedText]] = [[] for _ in speech]
    for word in words:
        distances = [max(ipu.start - word.at, word.at - ipu.end, 0) for ipu in speech]
        nearest = min(range(len(speech)), key=lambda index: distances[index], default=None)
        if nearest is not None and distances[nearest] <= WORD_SLACK_MS * SAMPLES_PER_MS:
            found[nearest].append(word)
    return found


def backchannels_of(
    speaker: Speaker, own: Sequence[Segment], others: Sequence[Segment], words: Sequence[TimedText] = ()
) -> list[BackchannelFound]:
    """The backchannels of one speaker, by start. `words` are that speaker's; without them duration and place decide alone."""
    floor, speech = ipus(others), ipus(own)
    return [
        BackchannelFound(speaker, ipu.start, ipu.end, tuple(heard))
        for ipu, heard in zip(speech, words_by_ipu(speech, words), strict=True)
        if within_overlap(ipu, floor) and is_acknowledgement(joined(speaker, heard))
    ]


def backchannels(
    user: Sequence[Segment],
    agent: Sequence[Segment],
    user_words: Sequence[TimedText] = (),
    agent_words: Sequence[TimedText] = (),
) -> list[BackchannelFound]:
    """The backchannels of both speakers, by start."""
    found = backchannels_of(USER, user, agent, user_words) + backchannels_of(AGENT, agent, user, agent_words)
    return sorted(found, key=lambda b: (b.start, b.end))
