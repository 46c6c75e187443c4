"""A talk with a recording instead of a visitor: reads a sound file, writes what the persona answers, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.audio.wav import load_wav, write_wav
from workbench.gateway.agreement import as_table, compare, greedy_draws
from workbench.gateway.model import Model
from workbench.gateway.prompts import EPAD, PAD, SILENCE, SINE
from workbench.gateway.sampling import Sampling
from workbench.gateway.snapshots import Snapshot
from workbench.pieces import PieceJoiner

DEFAULT_TEXT = "You are a wise and friendly teacher. Answer questions or provide advice in a clear and engaging way."
"""What PersonaPlex was mostly trained to be when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class OfflineOptions:
    """One offline run. The names are those of the reference's flags."""

    voice_prompt: str
    input_wav: Path
    output_wav: Path
    output_text: Path
    text_prompt: str = DEFAULT_TEXT
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    output_tokens: Path | None = None
    """An npz file with `out` [F, 17]: text, agent codebooks, user codebooks."""


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """What was written."""

    pcm: Pcm
    """As many samples as the input."""
    pieces: list[str]
    """One per frame, see `spell`."""
    tokens: NDArray[np.int64]
    """[F, 17]"""


def run_offline(model: Model, options: OfflineOptions, progress: Callable[[int, int], None] = lambda _done, _all: None) -> OfflineResult:
    """Runs row 0 of `model` over the input and writes the outputs. `progress` is told frames done and frames in all.

    A model with `parity` gives the reference's rows, which are one frame late: first the prompt's last frame, and no answer to the
    last one of the input. Raises AudioError, VoiceError, PromptError, PrefillError."""
    pcm = load_wav(options.input_wav)
    frames = _in_frames(pcm)
    model.join(0, _prompted(model, options), options.sampling, options.seed)
    answers: list[Pcm] = []
    rows: list[NDArray[np.int64]] = []
    if model.draws is not None:
        rows.append(np.array([PAD, *SILENCE, *SINE]))
        answers.append(model.decode(np.array(SILENCE)))
        frames = frames[:-1]
    batch = np.zeros((model.rows, FRAME_SAMPLES), dtype=np.float32)
    active = [row == 0 for row in range(model.rows)]
    for number, frame in enumerate(frames, start=1):
        batch[0] = frame
        stepped = model.step(batch, active)
        answers.append(stepped.pcm[0].copy())
        rows.append(stepped.tokens[0].copy())
        progress(number, len(frames))
    model.clear(0)
    tokens = np.stack(rows)
    pieces = spell(model, tokens[:, 0].tolist(), joined=model.draws is None)
    result = OfflineResult(np.concatenate(answers)[: len(pcm)], pieces, tokens)
    write_wav(options.output_wav, result.pcm)
    options.output_text.write_text(json.dumps(result.pieces, ensure_ascii=False))
    if options.output_tokens is not None:
        np.savez(options.output_tokens, out=tokens.astype(np.int16))
    return result


def check_agreement(full: Model, smaller: Model, options: OfflineOptions) -> str:
    """A table of how far `smaller` draws the tokens that `full` draws from the same input, both greedily. Raises as `run_offline`."""
    user = list(_in_frames(load_wav(options.input_wav)))
    reference = greedy_draws(full, _prompted(full, options), user)
    prompted = _prompted(smaller, options)
    own = greedy_draws(smaller, prompted, user)
    return as_table(compare(reference, own, greedy_draws(smaller, prompted, user, led_by=reference)))


def _in_frames(pcm: Pcm) -> Pcm:
    """[F, 1920], the last one filled with silence."""
    return np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)


def _prompted(model: Model, options: OfflineOptions) -> Snapshot:
    return model.prefiller.run(model.prompt(model.find_voice(options.voice_prompt), model.text_ids(options.text_prompt)))


def spell(model: Model, tokens: list[int], *, joined: bool) -> list[str]:
    """The text of a talk's text `tokens`, one string per frame; "PAD" and "EPAD" for pauses.

    `joined`: a sign that comes in bytes stands in the frame of its last byte, with empty strings before it. Otherwise each byte
    stands as its piece, as the reference writes it."""
    names = {EPAD: "EPAD", PAD: "PAD"}
    if not joined:
        return [names.get(token, model.piece(token)) for token in tokens]
    joiner = PieceJoiner()
    texts = [joiner.add(model.piece(token)) or names.get(token, "") for token in tokens]
    if texts and (rest := joiner.flush()):
        texts[-1] = rest
    return texts
