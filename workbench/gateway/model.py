"""Everything that one process holds of PersonaPlex: the language model, the codec, the voices, and the rows that talk.

Used by one thread: the slots' owner thread, or an offline run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from moshi.models.compression import MimiModel
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm
from workbench.gateway.checkpoint import HEARD, Checkpoint, CheckpointError
from workbench.gateway.generator import Generator, initial_tokens
from workbench.gateway.memory import Memory, load_fitted, measure, room_left
from workbench.gateway.modes import PLAIN, MemoryMode
from workbench.gateway.ports import Ports
from workbench.gateway.prefill import Prefiller
from workbench.gateway.prompts import EPAD, PAD, Prompt, PromptError, assemble, encode_text, prompt_frames
from workbench.gateway.sampling import GREEDY, ReferenceDraws, Sampling
from workbench.gateway.snapshots import Snapshot, Snapshots
from workbench.gateway.streams import clear_row, eager
from workbench.gateway.voice_sound import VoiceError
from workbench.gateway.voices import Voice, find_voices, load_voice

SNAPSHOT_BYTES = 4 << 30
"""Room for about 40 prompts of the 7B model (94 MB each at 180 positions)."""
WARM_UP_STEPS = 4
"""Enough for moshi to capture its CUDA graphs, which happens in the second call."""
TIMED_STEPS = 5
"""Of which the median is the time that is told."""


@dataclass(frozen=True, slots=True)
class Frames:
    """One tick of all rows, on the host; rows that were not active hold leftovers."""

    pcm: NDArray[np.float32]
    """[B, 1920]"""
    tokens: NDArray[np.int64]
    """[B, 17]: text, agent codebooks, user codebooks."""
    marks: NDArray[np.int64]
    """[B], see `generator.Output`."""
    finite: NDArray[np.bool_]
    """[B]: False for a row that must end, because its numbers are no longer numbers."""


class Model:
    """A loaded checkpoint with `rows` rows. `parity`: draws, and attention windows, as NVIDIA's server has them."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        rows: int,
        device: torch.device,
        dtype: torch.dtype,
        voices: Path,
        parity: bool = False,
        mode: MemoryMode = PLAIN,
        snapshot_bytes: int | None = None,
    ) -> None:
        """`snapshot_bytes`: room for prompts; by default half of what is left free, at most `SNAPSHOT_BYTES`.

        Raises CheckpointError when memory is too small, before anything is loaded, or the mode does not suit the checkpoint."""
        if mode.context is not None and mode.context > checkpoint.context:
            raise CheckpointError(f"--context {mode.context} is more than the {checkpoint.context} that {checkpoint.name} was trained with")
        self.checkpoint = checkpoint
        self.mode = mode
        left = room_left(checkpoint, rows, device, dtype, mode)
        self.rows = rows
        self.device = device
        self.tokenizer: SentencePieceProcessor = checkpoint.load_text()
        mimi_window = int(checkpoint.mimi_config["transformer"]["context"])
        window = (mode.context or checkpoint.context) - parity
        self.lm, self._layers = load_fitted(checkpoint, device, dtype, mode, context=window)
        self.mimi: MimiModel = checkpoint.load_mimi(device, context=mimi_window - 1 if parity else None)
        self._initial = initial_tokens(self.lm)
        self.voices, self.broken_voices = self._load_voices(voices)
        self.draws = ReferenceDraws(rows) if parity else None
        self.snapshots = Snapshots(min(SNAPSHOT_BYTES, left // 2) if snapshot_bytes is None else snapshot_bytes)
        self.prompt_frame_ms: float | None = None
        """What a frame of the first prompt took; None until `warm_up`."""
        self.prefiller = Prefiller(self.lm, self.snapshots, revision=checkpoint.revision)
        self.generator = Generator(self.lm, rows, draws=self.draws, capture=not mode.cpu_offload)
        self._ports = Ports(rows, device)
        self._mimi_streaming = self.mimi.streaming(rows)

    def close(self) -> None:
        """Stops streaming and lets the memory go."""
        self._mimi_streaming.close()
        self.generator.close()

    def memory(self) -> Memory:
        """What it takes, counted from its tensors."""
        return measure(self.lm, self.mimi, self.rows, self._layers)

    def find_voice(self, name: str) -> Voice:
        """A voice by its file name, with or without the ending. Raises VoiceError."""
        for candidate in (name, f"{name}.pt", f"{name}.wav"):
            if candidate in self.voices:
                return self.voices[candidate]
            if candidate in self.broken_voices:
                raise VoiceError(self.broken_voices[candidate])
        known = ", ".join(sorted(self.voices)) or "none, for the voice folder is empty"
        raise VoiceError(f"there is no voice {name[:64]!r}; choose from: {known}")

    def text_ids(self, text: str) -> tuple[int, ...]:
        """The ids of a persona's text. Raises PromptError."""
        return encode_text(self.tokenizer, text)

    def prompt(self, voice: Voice, text_ids: tuple[int, ...]) -> Prompt:
        """A prompt on the model's device. Raises PromptError for one that leaves less than half of the window to the talk."""
        self.check_frames(prompt_frames(voice, text_ids))
        return assemble(voice, text_ids, self._initial)

    def check_frames(self, frames: int) -> None:
        """Raises PromptError for a prompt that leaves less than half of the window to the talk."""
        context = self.lm.context or 0
        if 2 * frames > context and self.draws is None:
            raise PromptError(f"voice and text are {frames} frames, more than half of the window of {context}; shorten the text")

    def join(self, row: int, snapshot: Snapshot, sampling: Sampling = GREEDY, seed: int = 0) -> None:
        """Begins a talk in `row`."""
        clear_row(self.mimi, row)
        self.generator.join(row, snapshot, sampling, seed)

    def clear(self, row: int) -> None:
        """Leaves nothing of a talk in `row`."""
        clear_row(self.mimi, row)
        clear_row(self.lm.transformer, row)
        self.generator.scripts.drop(row)

    @torch.no_grad()
    def step(self, user: Pcm, active: list[bool]) -> Frames:
        """One frame of every active row. `user` [B, 1920] float32."""
        if self.device.type == "cuda":
            return self._step(user, active)
        with eager():
            return self._step(user, active)

    def decode(self, codes: NDArray[np.int64]) -> Pcm:
        """Feeds [8] agent codes to the decoder of row 0 only, for parity with the reference's forced first frame."""
        mask = torch.zeros(self.rows, dtype=torch.bool)
        mask[0] = True
        tokens = torch.from_numpy(codes).to(self.device).expand(self.rows, -1)[:, :, None]
        with torch.no_grad(), eager():
            self.mimi.set_exec_mask(mask)
            pcm: Pcm = self.mimi.decode(tokens)[0, 0].cpu().numpy()
        return pcm

    def warm_up(self) -> float:
        """Runs real steps of all rows, so that graphs are captured and kernels chosen before the first visitor; gives the median time of
        those that came after, in ms.

        Raises CheckpointError when the model's output is not numbers."""
        if not self.voices:
            raise CheckpointError("no voice can be used; put voices.tgz or a folder of voices beside the checkpoint")
        prompt = self.prompt(next(iter(self.voices.values())), self.text_ids("You enjoy having a good conversation."))
        began_s = time.perf_counter()
        snapshot = self.prefiller.run(prompt)
        self.prompt_frame_ms = (time.perf_counter() - began_s) * 1_000 / prompt.frames
        for row in range(self.rows):
            self.join(row, snapshot)
        times_ms = []
        for _ in range(WARM_UP_STEPS + TIMED_STEPS):
            began_s = time.perf_counter()
            frames = self.step(np.zeros((self.rows, FRAME_SAMPLES), dtype=np.float32), [True] * self.rows)
            times_ms.append((time.perf_counter() - began_s) * 1_000)
        for row in range(self.rows):
            self.clear(row)
        if not frames.finite.all():
            raise CheckpointError(
                f"{self.checkpoint.name}: the model's output is not numbers; the weights are damaged, download them again"
            )
        return statistics.median(times_ms[WARM_UP_STEPS:])

    def told_speed(self, step_ms: float) -> str:
        """What a measured step means for a talk."""
        factor = step_ms / FRAME_MS
        judged = "real time" if factor < 1 else "NOT real time, talks will not keep up with their 80 ms frames"
        measured = f"A step of {self.rows} slots takes {step_ms:.1f} ms on {self.device} ({self.mode})"
        return f"{measured}: real-time factor {factor:.2f}, {judged}."

    def piece(self, token: int) -> str:
        """What a text token is on the wire: the piece with a space for its mark; empty for PAD and EPAD."""
        return "" if token in (EPAD, PAD) else str(self.tokenizer.id_to_piece(token)).replace("\u2581", " ")

    def _step(self, user: Pcm, active: list[bool]) -> Frames:
        ports = self._ports
        ports.send(user, active)
        self.mimi.set_exec_mask(ports.active)
        codes = self.mimi.encode(ports.pcm[:, None])
        output = self.generator.step(codes[:, :, 0], active, ports.active)
        pcm = self.mimi.decode(output.tokens[:, 1 : 1 + HEARD, None])[:, 0]
        finite = output.finite & torch.isfinite(pcm).all(dim=-1)
        return Frames(*ports.fetch(pcm, output.tokens, output.marks, finite))

    def _load_voices(self, folder: Path) -> tuple[Mapping[str, Voice], Mapping[str, str]]:
        voices, broken = {}, {}
        for name, path in find_voices(folder).items():
            try:
                voices[name] = load_voice(path, self.mimi, dim=self.lm.dim, initial=self._initial, dtype=self.lm.dtype)
            except VoiceError as error:
                broken[name] = str(error)
        return voices, broken
