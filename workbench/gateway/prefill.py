"""The prompt, taken in by the main transformer in chunks. Nothing is sampled while tokens are forced, so no depth step is needed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import torch
from moshi.models.lm import LMModel

from workbench.gateway.prompts import Prompt
from workbench.gateway.snapshots import Snapshot, Snapshots
from workbench.gateway.streams import clear_row, eager, read_row, separate_state, swapped_in, write_row

CHUNK = 32
"""Positions per forward pass: on a GPU one pass over the weights, short enough to fit between two ticks."""


class PrefillError(Exception):
    """A prompt spoils the model. The message says which and how to mend it."""


def embed(lm: LMModel, tokens: torch.Tensor) -> torch.Tensor:
    """Input embeddings [B, T, dim] of `tokens` [B, 17, T]: the sum over all streams, audio first (as in training)."""
    total = lm.emb[0](tokens[:, 1])
    for stream in range(1, lm.n_q):
        total = total + lm.emb[stream](tokens[:, 1 + stream])
    summed: torch.Tensor = total + lm.text_emb(tokens[:, 0])
    return summed


class Prefiller:
    """Runs prompts on a state of its own, never in the shared batch. Made before the model starts streaming."""

    def __init__(self, lm: LMModel, snapshots: Snapshots, *, revision: str = "local", chunk: int = CHUNK) -> None:
        self._lm = lm
        self._state = separate_state(lm.transformer, 1)
        self._snapshots = snapshots
        self._revision = revision
        self._chunk = chunk

    def run(self, prompt: Prompt) -> Snapshot:
        """The snapshot of a prompt, all at once. Raises PrefillError."""
        for found in self.steps(prompt):
            if found is not None:
                return found
        raise AssertionError("the last step gives the snapshot")

    @torch.no_grad()
    def steps(self, prompt: Prompt) -> Iterator[Snapshot | None]:
        """Yields None after each chunk, so that ticks fit in between, and the snapshot as the last value. Raises PrefillError.

        Only one prompt may be under way. Snapshots are kept after the voice and after the whole prompt."""
        whole = self._key(prompt, prompt.text_ids)
        known = self._snapshots.find(whole)
        if known is not None:
            yield known
            return
        voice_end = prompt.voice.frames
        position = self._restore(self._snapshots.find(self._key(prompt, None)))
        hidden: torch.Tensor | None = None
        while position < prompt.frames:
            stop = voice_end if position < voice_end else prompt.frames
            count = self._fitting(position, stop)
            hidden = self._forward(prompt, position, position + count)
            position += count
            if position == voice_end:
                self._snapshots.keep(self._key(prompt, None), Snapshot(position, read_row(self._state, 0, position)))
            if position < prompt.frames:
                yield None
        if hidden is None or not torch.isfinite(hidden).all():
            raise PrefillError(f"the model does not survive the voice {prompt.voice.name} with this text; choose another voice")
        layers = read_row(self._state, 0, position)
        snapshot = Snapshot(position, layers, hidden[:, -1:].clone(), prompt.tokens[:, position].clone())
        self._snapshots.keep(whole, snapshot)
        yield snapshot

    def _key(self, prompt: Prompt, text_ids: tuple[int, ...] | None) -> Hashable:
        return prompt.voice.content_hash, text_ids, self._revision, self._lm.dtype, self._lm.context

    def _fitting(self, position: int, stop: int) -> int:
        """A chunk may not run over the end of the ring: its first positions still need the keys that its last would overwrite."""
        left = (self._lm.context or 0) - position
        return min(self._chunk, stop - position, left) if left > 0 else 1

    def _restore(self, start: Snapshot | None) -> int:
        with swapped_in(self._lm.transformer, self._state):
            clear_row(self._lm.transformer, 0)
        if start is None:
            return 0
        write_row(self._state, 0, start.layers, start.positions)
        return start.positions

    def _forward(self, prompt: Prompt, begin: int, end: int) -> torch.Tensor:
        saved = prompt.voice.embeddings
        embedded = embed(self._lm, prompt.tokens[None, :, begin:end].clamp(min=0))
        if saved is not None and begin < len(saved):
            covered = min(end, len(saved)) - begin
            embedded[:, :covered] = saved[begin : begin + covered]
        with swapped_in(self._lm.transformer, self._state), eager():
            hidden: torch.Tensor = self._lm.out_norm(self._lm.transformer(embedded))
        return hidden
