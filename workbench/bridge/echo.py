"""The agent's own words in the user's channel: an open microphone beside a loudspeaker hears the agent, and nobody has spoken."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.audio.frames import ms_to_samples
from workbench.bridge.heard import HeardWord
from workbench.bridge.words import close, tokens

ECHO = "echo of the agent's own words"

LATEST_MS = 800.0
"""An echo comes at most this long after its sound left: playout, the room, and the recogniser's pre-roll. Who repeats
three words that they heard begins later: the words take some 0.9 s, and nobody answers within 0.1 s."""
EARLIEST_MS = 500.0
"""A word's stamp may lie this much after its sound: an engine tells a word when it is sure of it."""
MIN_WORDS = 3
"""Shorter utterances are the user's, whatever the agent says meanwhile: a yes must not be lost."""
MIN_COVERAGE = 0.75
"""Share of the utterance's words that must be the agent's, in its order. Of three words all, of four or five one may be misheard."""


def is_echo(text: str, start_samples: int, end_samples: int, agent: Sequence[HeardWord]) -> bool:
    """Whether the words heard from the user's channel in [start, end] of session time are those that the agent said at that time."""
    said = tokens(text)
    if len(said) < MIN_WORDS:
        return False
    since, until = start_samples - ms_to_samples(LATEST_MS), end_samples + ms_to_samples(EARLIEST_MS)
    heard = [token for word in agent if since <= word.at_samples <= until for token in tokens(word.text)]
    return _in_order(said, heard) >= MIN_COVERAGE * len(said)


def is_echoed_agreement(text: str, start_samples: int, end_samples: int, agent: Sequence[HeardWord]) -> bool:
    """Whether an agreement, however short, is the phrase that the host reads out at that time: "say confirm and proceed" asks for a
    word and says it. Only for words that would let something run: a lost yes is said again, a false one cannot be taken back."""
    said = tokens(text)
    since, until = start_samples - ms_to_samples(LATEST_MS), end_samples + ms_to_samples(EARLIEST_MS)
    asked = [token for word in agent if word.forced and since <= word.at_samples <= until for token in tokens(word.text)]
    return bool(said) and _in_order(said, asked) == len(said)


def _in_order(said: Sequence[str], heard: Sequence[str]) -> int:
    """Length of the longest common subsequence; words may be misheard by a letter or two."""
    row = [0] * (len(heard) + 1)
    for mine in said:
        before = row
        row = [0]
        for at, theirs in enumerate(heard):
            row.append(before[at] + 1 if close(mine, theirs) else max(before[at + 1], row[at]))
    return row[-1]
