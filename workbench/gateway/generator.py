"""The batched generator: one pass of the language model for all rows, each with its own persona, voice, draws and script.

Built on the parts of moshi's `LMModel`. One call takes the user's codes of frame f and gives the agent's codes of the same frame: the
reference runs the model before it writes the user's frame and is one frame later with the same tokens.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from moshi.models.lm import LMModel
from moshi.utils.compile import CUDAGraphed

from workbench.gateway.checkpoint import HEARD, STREAMS
from workbench.gateway.prefill import embed
from workbench.gateway.sampling import CounterDraws, Draws, ReferenceDraws, Sampling, sample
from workbench.gateway.script import FREE, Scripts
from workbench.gateway.snapshots import Snapshot
from workbench.gateway.streams import clear_row, eager, write_row

_AudioSettings = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Output:
    """One frame of every row, on the device; rows that were not active hold leftovers."""

    tokens: torch.Tensor
    """[B, 17] int64: text, agent codebooks, and the user's codebooks as given."""
    marks: torch.Tensor
    """[B] int64: the index of the script's piece that the text token is, `script.FREE` or `script.HELD`."""
    finite: torch.Tensor
    """[B] bool: False for a row whose logits are no longer numbers."""


def initial_tokens(lm: LMModel) -> torch.Tensor:
    """[17] int64, what stands in each stream before it begins."""
    first = torch.full((STREAMS,), lm.initial_token_id, dtype=torch.long, device=lm.device)
    first[0] = lm.text_initial_token_id
    return first


class Generator:
    """`rows` rows over one model. Everything is called from one thread. `draws`: ReferenceDraws for parity with the reference's seeds.
    `capture`: False where a pass does more than a CUDA graph may hold."""

    def __init__(self, lm: LMModel, rows: int, *, draws: ReferenceDraws | None = None, capture: bool = True) -> None:
        self.lm = lm
        self.rows = rows
        device = lm.device

        def zeros(dtype: torch.dtype) -> torch.Tensor:
            return torch.zeros(rows, dtype=dtype, device=device)

        self._initial = initial_tokens(lm)
        self._tokens = torch.zeros(rows, STREAMS, dtype=torch.long, device=device)
        self._marks = torch.full((rows,), FREE, dtype=torch.long, device=device)
        self._seeds, self._passes = zeros(torch.long), zeros(torch.long)
        self._text_temperature, self._audio_temperature = zeros(torch.float32), zeros(torch.float32)
        self._text_top_k, self._audio_top_k = zeros(torch.long) + 1, zeros(torch.long) + 1
        self._reference = draws
        self._draws: Draws = draws or CounterDraws(self._seeds, self._passes)
        self.scripts = Scripts(rows, device)
        self.positions = [0] * rows
        """Executed positions of each row; the attention window reaches back `lm.context` of them."""
        self._streaming = lm.transformer.streaming(rows)
        self.capturing = device.type == "cuda" and capture and draws is None
        """One pass is a captured CUDA graph. The reference's draws are made on the host, which a graph would freeze."""
        self._graphed = CUDAGraphed(self._pass, disable=not self.capturing)

    def close(self) -> None:
        """Stops streaming, so that the model can be used otherwise."""
        self._streaming.close()

    @torch.no_grad()
    def join(self, row: int, snapshot: Snapshot, sampling: Sampling, seed: int) -> None:
        """Puts a prompted talk into `row`, whatever it held before, and draws the first text token and first codebook."""
        self.place(row, snapshot)
        self._seeds[row] = (seed + 2**63) % 2**64 - 2**63
        self._passes[row] = 0
        self._text_temperature[row], self._text_top_k[row] = sampling.text_temperature, sampling.text_top_k
        self._audio_temperature[row], self._audio_top_k[row] = sampling.audio_temperature, sampling.audio_top_k
        self.scripts.drop(row)
        if self._reference is not None:
            self._reference.start(row, seed, sampling, snapshot.positions - 1)
        self._first_draw(row, snapshot)

    @torch.no_grad()
    def replace(self, row: int, snapshot: Snapshot) -> None:
        """Gives a talk a new prompt between two frames. Its draws, its script and its settings go on."""
        self.place(row, snapshot)
        self._first_draw(row, snapshot)

    @torch.no_grad()
    def place(self, row: int, snapshot: Snapshot) -> None:
        """Copies a prompt's state into `row`, which is cleared first."""
        clear_row(self.lm.transformer, row)
        write_row(self.lm.transformer.get_streaming_state(), row, snapshot.layers, snapshot.positions)
        self.positions[row] = snapshot.positions

    @torch.no_grad()
    def step(self, user: torch.Tensor, active: list[bool], mask: torch.Tensor | None = None) -> Output:
        """One frame. `user` [B, 8] int64 codes; rows that are not `active` pause and are left as they are. `mask` [B]: `active`, where
        it is on the device already."""
        mask = torch.tensor(active).to(self.lm.device) if mask is None else mask
        if self._reference is not None:
            self._reference.begin([row for row, is_active in enumerate(active) if is_active])
        with nullcontext() if self.capturing else eager():
            tokens, marks, finite = self._graphed(user, mask)
        if self._reference is not None:
            self._reference.finish(HEARD)
        for row, is_active in enumerate(active):
            self.positions[row] += is_active
        return Output(tokens, marks, finite)

    def upcoming(self, row: int) -> torch.Tensor:
        """[9] text and agent codebooks that the last frame drew for `row` and its next pass reads, on the device."""
        return self._tokens[row, : 1 + HEARD].clone()

    def lead(self, row: int, tokens: torch.Tensor) -> None:
        """Has `row` read other `tokens` [9] than it drew, so that two models can be compared on one history."""
        self._tokens[row, : 1 + HEARD] = tokens

    def _pass(self, user: torch.Tensor, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        self.lm.transformer.set_exec_mask(active)
        current = self._tokens.clone()
        current[:, 1 + HEARD] = user[:, 0]
        given = torch.where(active[:, None], current, self._initial)
        hidden = self.lm.out_norm(self.lm.transformer(embed(self.lm, given[:, :, None])))
        logits = self.lm.text_linear(hidden)[:, 0]
        text, marks = self.scripts.apply(sample(logits, self._text_temperature, self._text_top_k, self._draws, 0), active)
        agent = self._depth(text, hidden, HEARD, (self._audio_temperature, self._audio_top_k), self._draws)
        following = torch.cat([text[:, None], agent, torch.zeros_like(user[:, :1]), user[:, 1:]], dim=1)
        heard = torch.cat([current[:, :2], agent[:, 1:], user], dim=1)
        heard_marks = self._marks.clone()
        self._tokens.copy_(torch.where(active[:, None], following, self._tokens))
        self._marks.copy_(torch.where(active, marks, self._marks))
        self._passes += active
        return heard, heard_marks, torch.isfinite(logits).all(dim=-1)

    def _depth(self, text: torch.Tensor, hidden: torch.Tensor, steps: int, settings: _AudioSettings, draws: Draws) -> torch.Tensor:
        """The first `steps` codebooks [B, steps] that follow `text` [B] and the main transformer's output `hidden` [B, 1, dim]."""
        last = text
        codes = []
        with self.lm.depformer.streaming(len(text)):
            for step in range(steps):
                logits = self.lm.forward_depformer(step, last[:, None, None], hidden)[:, 0, 0]
                last = sample(logits, *settings, draws, step + 1)
                codes.append(last)
        return torch.stack(codes, dim=1)

    def _first_draw(self, row: int, snapshot: Snapshot) -> None:
        """The last prompt position's draw: text and first codebook are free, the delayed codebooks still belong to the prompt."""
        if snapshot.hidden is None or snapshot.tokens is None:
            raise ValueError("a snapshot from the middle of a prompt cannot begin a talk")
        one = slice(row, row + 1)
        draws = self._reference or CounterDraws(self._seeds[one], self._passes[one])
        if self._reference is not None:
            self._reference.begin([row])
        logits = self.lm.text_linear(snapshot.hidden)[:, 0]
        text = sample(logits, self._text_temperature[one], self._text_top_k[one], draws, 0)
        with eager():
            first = self._depth(text, snapshot.hidden, 1, (self._audio_temperature[one], self._audio_top_k[one]), draws)
        if self._reference is not None:
            self._reference.finish(1)
        tokens = snapshot.tokens.clone()
        tokens[0], tokens[1] = text[0], first[0, 0]
        self._tokens[row] = tokens
        self._marks[row] = FREE
        self._passes[row] += 1
