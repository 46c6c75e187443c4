"""A PersonaPlex checkpoint folder, laid out as on the Hub: read, checked and loaded.

Everything that can be wrong with it is found from the files' headers, before any weight is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from moshi.models import loaders
from moshi.models.compression import MimiModel
from moshi.models.lm import LMModel
from moshi.modules.transformer import StreamingMultiheadAttention, StreamingTransformerLayer
from safetensors import SafetensorError, safe_open
from sentencepiece import SentencePieceProcessor
from torch import nn

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.gateway.files import LM_FILE, MIMI_FILE, TEXT_FILE

HEARD = 8
"""Codebooks of each speaker. The depth steps after these only guess the user's tokens, which are always known."""
STREAMS = 1 + 2 * HEARD
"""Token streams: text, agent codebooks 0..7, user codebooks 0..7."""
DELAYS = [0, 0, *[1] * 7, 0, *[1] * 7]
"""Frames by which each stream is shifted; the generator and the prompts are written for these."""

Shapes = dict[str, tuple[int, ...]]


class CheckpointError(Exception):
    """A checkpoint cannot be used. The message is one line: what is wrong with it and how to mend it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose files fit together."""

    folder: Path
    lm_kwargs: Mapping[str, Any]
    """Keywords of `moshi.models.LMModel`; `dep_q` is the number of depth steps stored in the file."""
    mimi_config: Mapping[str, Any]
    name: str
    revision: str = "local"
    licence: str = "unknown"
    source: str = field(default="")
    """The Hub repository it came from, empty for a folder."""

    @property
    def context(self) -> int:
        """Positions (80 ms each) that the language model attends to."""
        return int(self.lm_kwargs["context"])

    @property
    def stored_dtype(self) -> torch.dtype:
        """The type of the language model's weights in the file."""
        _shape, name = next(iter(_read_header(self.folder / LM_FILE).values()))
        return {"BF16": torch.bfloat16, "F16": torch.float16}.get(name, torch.float32)

    def load_lm(self, device: torch.device, dtype: torch.dtype, *, context: int | None = None) -> LMModel:
        """The language model on `device`. `context`: another attention window (2999 for bit parity with NVIDIA's server)."""
        with torch.no_grad():
            lm = loaders.get_moshi_lm(
                self.folder / LM_FILE,
                lm_kwargs=dict(self.lm_kwargs),
                device=device,
                dtype=dtype,
                lm_kwargs_overrides=_window(context),
            )
        drop_unheard(lm)
        return lm

    def empty_lm(self, dtype: torch.dtype, *, context: int | None = None) -> LMModel:
        """The language model's shapes, with all depth steps of the file and without memory."""
        kwargs = dict(self.lm_kwargs)
        return loaders.get_moshi_lm(None, lm_kwargs=kwargs, device="meta", dtype=dtype, lm_kwargs_overrides=_window(context))

    def load_mimi(self, device: torch.device, *, context: int | None = None) -> MimiModel:
        """The codec with 8 codebooks, float32. `context`: another attention window of its transformers (249 for bit parity)."""
        config = {**self.mimi_config, "transformer": dict(self.mimi_config["transformer"])}
        if context is not None:
            config["transformer"]["context"] = context
        return loaders.get_mimi(self.folder / MIMI_FILE, config, device=device, num_codebooks=HEARD)

    def empty_mimi(self) -> MimiModel:
        """The codec's shapes, without memory."""
        with torch.device("meta"):
            return loaders.get_mimi(None, dict(self.mimi_config), device="meta", num_codebooks=HEARD)

    def load_text(self) -> SentencePieceProcessor:
        """The text tokenizer."""
        return SentencePieceProcessor(model_file=str(self.folder / TEXT_FILE))


def open_checkpoint(folder: Path, *, revision: str = "local", licence: str = "unknown", source: str = "") -> Checkpoint:
    """Reads the folder's `config.json` and headers, and checks that everything fits. Reads no weights.

    Raises CheckpointError."""
    for name in (LM_FILE, MIMI_FILE, TEXT_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: no {name}; the folder must hold the files of a PersonaPlex repository, download it again")
    config = _read_config(folder / "config.json")
    lm_kwargs = dict(config.get("lm_kwargs", loaders._lm_kwargs))
    mimi_config = config.get("mimi", loaders._mimi_config)
    stored = read_shapes(folder / LM_FILE)
    lm_kwargs["dep_q"] = _depth_steps(stored, folder / LM_FILE)
    if list(lm_kwargs.get("delays", [])) != DELAYS:
        raise CheckpointError(f"{folder}: delays {lm_kwargs.get('delays')} are not PersonaPlex's {DELAYS}; take a PersonaPlex checkpoint")
    try:
        opened = Checkpoint(folder, lm_kwargs, mimi_config, source or folder.resolve().name, revision, licence, source)
        with torch.device("meta"):
            lm, mimi = opened.empty_lm(torch.bfloat16), opened.empty_mimi()
    except (TypeError, KeyError, ValueError, AssertionError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: its model description cannot be built ({error}); restore the file") from error
    _compare(folder / LM_FILE, stored, shapes_on_disk(lm))
    _compare(folder / MIMI_FILE, read_shapes(folder / MIMI_FILE), shapes_on_disk(mimi))
    if (mimi.sample_rate, mimi.frame_size) != (SAMPLE_RATE, FRAME_SAMPLES):
        raise CheckpointError(f"{folder}: Mimi has frames of {mimi.frame_size} samples at {mimi.sample_rate} Hz, not 1920 at 24000")
    _check_text(folder / TEXT_FILE, int(lm_kwargs["text_card"]))
    return opened


def drop_unheard(lm: LMModel) -> None:
    """Lets the weights of the depth steps go that are never run: of 16 in the published file the last 8, 1.4 GB of it.

    The depth transformer keeps its 16 places all the same: with 8 its sums would be rounded otherwise, and bfloat16 ties would flip."""
    if len(lm.linears) <= HEARD:
        return
    lm.depformer_in, lm.linears = lm.depformer_in[:HEARD], lm.linears[:HEARD]
    lm.depformer_emb = lm.depformer_emb[: HEARD - 1]
    lm.depformer_norms = lm.depformer_norms[:HEARD]
    for module in list(lm.depformer.modules()):
        if isinstance(module, StreamingTransformerLayer) and isinstance(module.gating, nn.ModuleList):
            module.gating = module.gating[:HEARD]
        elif isinstance(module, StreamingMultiheadAttention):
            module.in_projs, module.out_projs = module.in_projs[:HEARD], module.out_projs[:HEARD]
            for weight in module.parameters():
                # The file has all steps in one tensor, which would live on as long as a part of it is shown.
                weight.data = weight.data.clone()


def read_shapes(path: Path) -> Shapes:
    """Names and shapes of the tensors in a safetensors file, from its header, in the published layout. Raises CheckpointError."""
    return _published({name: shape for name, (shape, _dtype) in _read_header(path).items()})


def shapes_on_disk(model: LMModel | MimiModel) -> Shapes:
    """The tensors that `model` must find in its file, in the published layout."""
    return _published({name: tuple(value.shape) for name, value in model.state_dict().items()})


def _read_header(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    try:
        with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]  # safetensors' stub leaves its arguments open
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cut off or not a safetensors file ({error}); download it again") from error


def _published(shapes: Shapes) -> Shapes:
    """moshi keeps one projection per depth step; the published files stack them along the rows."""
    merged: Shapes = {}
    for name, shape in shapes.items():
        split = re.fullmatch(r"(.*self_attn\.)(in|out)_projs\.\d+\.weight", name)
        if split is None:
            merged[name] = shape
            continue
        stacked = split[1] + ("in_proj_weight" if split[2] == "in" else "out_proj.weight")
        rows = merged.get(stacked, (0,))[0]
        merged[stacked] = (rows + shape[0], *shape[1:])
    return merged


def _read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}); download it again") from error
    if not isinstance(config, dict) or not all(isinstance(config.get(key, {}), dict) for key in ("lm_kwargs", "mimi")):
        raise CheckpointError(f"{path}: must be a JSON object, with objects `lm_kwargs` and `mimi` if they are there")
    return config


def _depth_steps(stored: Shapes, path: Path) -> int:
    steps = sum(re.fullmatch(r"linears\.\d+\.weight", name) is not None for name in stored)
    if steps not in (HEARD, 2 * HEARD):
        raise CheckpointError(f"{path}: {steps} depth steps (`linears.*`), expected 8 or 16; this is not a Moshi or PersonaPlex model")
    return steps


def _compare(path: Path, stored: Shapes, expected: Shapes) -> None:
    wrong = [f"{name} is missing" for name in expected.keys() - stored.keys()]
    wrong += [f"{name} is not part of the model" for name in stored.keys() - expected.keys()]
    both = expected.keys() & stored.keys()
    wrong += [f"{name} is {list(stored[name])}, expected {list(expected[name])}" for name in both if stored[name] != expected[name]]
    if wrong:
        more = f" and {len(wrong) - 2} more" if len(wrong) > 2 else ""
        raise CheckpointError(
            f"{path}: {'; '.join(sorted(wrong)[:2])}{more}; the file does not fit config.json, take both from one revision"
        )


def _check_text(path: Path, text_card: int) -> None:
    try:
        pieces = SentencePieceProcessor(model_file=str(path)).get_piece_size()
    except (RuntimeError, OSError) as error:
        raise CheckpointError(f"{path}: not a SentencePiece model; download it again") from error
    if pieces != text_card:
        raise CheckpointError(f"{path}: {pieces} pieces, but the model has {text_card} text tokens; take both from one revision")


def _window(context: int | None) -> dict[str, int]:
    return {} if context is None else {"context": context}
