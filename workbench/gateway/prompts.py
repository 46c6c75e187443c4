"""PersonaPlex's hybrid system prompt: voice, silence, text, silence, all forced, laid out as the tokens of each position."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sentencepiece import SentencePieceProcessor

from workbench.gateway.checkpoint import DELAYS, HEARD, STREAMS
from workbench.gateway.voices import Voice

EPAD, PAD = 0, 3
"""Text ids: end of a pause, and pause."""
SILENCE = (948, 243, 1178, 546, 1736, 1030, 1978, 2008)
"""Mimi codes of silence, as the model was trained with; never computed."""
SINE = (430, 1268, 381, 1611, 1095, 1495, 56, 472)
"""Mimi codes of a 440 Hz tone, which stands in the user's stream during the prompt."""
PAUSE_FRAMES = 6
"""0.5 s of silence after the voice and after the text."""
MAX_TEXT_TOKENS = 1_000
"""Each stays in the 3000-position window for the whole talk: a third of it."""
TAG = "<system>"


class PromptError(Exception):
    """A prompt cannot be used. The message says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is forced before a talk. Position p of stream k holds frame p - DELAYS[k]."""

    voice: Voice
    text_ids: tuple[int, ...]
    tokens: torch.Tensor
    """[17, frames + 1] int64. Position `frames` holds the delayed streams' last tokens; its text and first codebooks are free and -1.
    For a saved voice, positions 0 .. voice.frames - 2 are -1: their embeddings are used instead."""

    @property
    def frames(self) -> int:
        """Frames (80 ms each) that the prompt is long; the talk begins at this position."""
        return self.tokens.shape[1] - 1


def wrap(text: str) -> str:
    """The persona's text between system tags; a text that already has both is kept. Raises PromptError for an empty one."""
    text = text.strip()
    if text.startswith(TAG) and text.endswith(TAG):
        return text
    if not text:
        raise PromptError("the text prompt is empty; say who the persona is, for example 'You enjoy having a good conversation.'")
    return f"{TAG} {text} {TAG}"


def encode_text(tokenizer: SentencePieceProcessor, text: str) -> tuple[int, ...]:
    """The ids of the wrapped text. Raises PromptError for an empty or too long one."""
    ids = tuple(int(token) for token in tokenizer.encode(wrap(text)))
    if len(ids) > MAX_TEXT_TOKENS:
        raise PromptError(f"the text prompt has {len(ids)} tokens, at most {MAX_TEXT_TOKENS} fit; shorten it")
    return ids


def prompt_frames(voice: Voice, text_ids: tuple[int, ...]) -> int:
    """Frames (80 ms each) of the whole prompt."""
    return voice.frames + PAUSE_FRAMES + len(text_ids) + PAUSE_FRAMES


def assemble(voice: Voice, text_ids: tuple[int, ...], initial: torch.Tensor) -> Prompt:
    """Lays the prompt out. `initial`: [17] int64, the tokens that stand before a stream begins (2048, text 32000)."""
    device = initial.device
    forced = prompt_frames(voice, text_ids)
    frames = torch.full((STREAMS, forced), -1, dtype=torch.long, device=device)
    frames[0] = PAD
    frames[1 : 1 + HEARD] = torch.tensor(SILENCE, device=device)[:, None]
    frames[1 + HEARD :] = torch.tensor(SINE, device=device)[:, None]
    begin = voice.frames + PAUSE_FRAMES
    frames[0, begin : begin + len(text_ids)] = torch.tensor(text_ids, dtype=torch.long, device=device)
    if voice.codes is not None:
        frames[1 : 1 + HEARD, : voice.frames] = voice.codes.T
    tokens = torch.full((STREAMS, forced + 1), -1, dtype=torch.long, device=device)
    for stream, delay in enumerate(DELAYS):
        tokens[stream, delay : delay + forced] = frames[stream]
    # Nothing is known of the frames before the first: position 0 is initial everywhere, and position 1 in the delayed streams.
    delays = torch.tensor(DELAYS, device=device)
    for position in range(2):
        tokens[:, position] = torch.where(position <= delays, initial, tokens[:, position])
    if voice.last is not None and voice.following is not None:
        tokens[:, : voice.frames - 1] = -1
        tokens[:, voice.frames - 1] = voice.last
        tokens[:, voice.frames] = torch.where(delays > 0, voice.following, tokens[:, voice.frames])
    return Prompt(voice, text_ids, tokens)
