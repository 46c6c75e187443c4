"""Voice prompts: the first seconds of a talk, which give the agent its voice. From `voices.tgz` or a folder, `.pt` or `.wav`."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from moshi.models.compression import MimiModel
from torch.nn.functional import pad

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.gateway.checkpoint import DELAYS, STREAMS
from workbench.gateway.streams import eager
from workbench.gateway.voice_sound import MAX_VOICE_S, VoiceError, voice_sound

MAX_VOICES = 500
MAX_FILE_BYTES = 64 << 20
"""Per member of an archive. The published voices have 0.5 MB."""
CACHE_COLUMNS = 4
"""Positions that the reference's token ring holds; column = position mod 4."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice prompt of `frames` frames of 80 ms, either as codes or as the reference's saved embeddings."""

    name: str
    content_hash: str
    frames: int
    codes: torch.Tensor | None = None
    """[frames, 8] int64 Mimi codes."""
    embeddings: torch.Tensor | None = None
    """[frames - 1, dim], the summed input embeddings of positions 0 .. frames - 2."""
    last: torch.Tensor | None = None
    """[17] int64, the tokens of position frames - 1; only beside `embeddings`."""
    following: torch.Tensor | None = None
    """[17] int64, position `frames`: the delayed streams' tokens are the voice's last; only beside `embeddings`."""


def unpack_voices(archive: Path, folder: Path) -> Path:
    """Extracts the `.pt` and `.wav` members of `voices.tgz` flat into `folder` and returns it.

    Only the last part of a member's name is used, only regular files are taken, and each at most 64 MB. Raises VoiceError."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if not member.isfile() or PurePosixPath(name).suffix not in (".pt", ".wav"):
                    continue
                taken += 1
                if taken > MAX_VOICES:
                    raise VoiceError(f"{archive}: more than {MAX_VOICES} voices; split it")
                if member.size > MAX_FILE_BYTES:
                    raise VoiceError(f"{archive}: {name} has {member.size >> 20} MB, too many for a voice; leave it out")
                content = tar.extractfile(member)
                if content is not None:
                    (folder / name).write_bytes(content.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise VoiceError(f"{archive}: cannot be unpacked ({error}); download it again") from error
    return folder


def find_voices(folder: Path) -> Mapping[str, Path]:
    """Voice files of a folder by name. A client names a voice by one of these keys, with or without its ending; never by a path."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in (".pt", ".wav")}


def load_voice(path: Path, mimi: MimiModel, *, dim: int, initial: torch.Tensor, dtype: torch.dtype) -> Voice:
    """Reads a voice for a model of width `dim` and initial tokens `initial` [17], onto their device.

    `mimi` must not be streaming; a `.wav` is encoded with it as a fresh stream.

    Raises VoiceError."""
    try:
        content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise VoiceError(f"{path.name}: cannot be read ({error.strerror}); check the voice folder") from error
    if path.suffix == ".pt":
        return _load_saved(path, content_hash, dim, initial, dtype)
    codes = encode_voice(path, mimi).to(initial.device)
    return Voice(path.name, content_hash, len(codes), codes=codes)


def encode_voice(path: Path, mimi: MimiModel) -> torch.Tensor:
    """Mimi codes [frames, 8] of a sound file: 24 kHz mono, -24 LUFS, the last frame filled with silence. Raises VoiceError."""
    pcm = voice_sound(path)
    device = next(mimi.parameters()).device
    samples = torch.from_numpy(pcm).to(device)
    samples = pad(samples, (0, -len(samples) % FRAME_SAMPLES)).view(-1, 1, 1, FRAME_SAMPLES)
    with torch.no_grad(), eager(), mimi.streaming(1):
        return torch.cat([mimi.encode(frame) for frame in samples], dim=-1)[0].T.contiguous()


def _load_saved(path: Path, content_hash: str, dim: int, initial: torch.Tensor, dtype: torch.dtype) -> Voice:
    again = "save it again with the reference's server, or give a .wav"
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise VoiceError(f"{path.name}: not a saved voice of tensors only; {again}") from error
    if not isinstance(saved, dict) or not all(isinstance(saved.get(key), torch.Tensor) for key in ("embeddings", "cache")):
        raise VoiceError(f"{path.name}: must hold the tensors `embeddings` and `cache`; {again}")
    embeddings, cache = saved["embeddings"], saved["cache"]
    if embeddings.dim() != 4 or tuple(embeddings.shape[1:]) != (1, 1, dim) or not len(embeddings):
        needed = f"[n, 1, 1, {dim}]"
        raise VoiceError(f"{path.name}: embeddings are {list(embeddings.shape)}, not {needed}; take a voice made for this model")
    if tuple(cache.shape) != (1, STREAMS, CACHE_COLUMNS) or cache.is_floating_point():
        raise VoiceError(f"{path.name}: cache is {list(cache.shape)}, not whole numbers [1, {STREAMS}, {CACHE_COLUMNS}]; {again}")
    if not torch.isfinite(embeddings).all():
        raise VoiceError(f"{path.name}: its embeddings hold values that are no numbers; {again}")
    frames = len(embeddings) + 1
    if frames * FRAME_SAMPLES > MAX_VOICE_S * SAMPLE_RATE:
        raise VoiceError(f"{path.name}: {frames} frames are too long; give at most {MAX_VOICE_S:.0f} s")
    last, following = (cache[0, :, position % CACHE_COLUMNS].long() for position in (frames - 1, frames))
    delayed = torch.tensor(DELAYS) > 0
    for tokens in (last, following[delayed]):
        most = initial.cpu() if len(tokens) == STREAMS else initial.cpu()[delayed]
        if ((tokens < 0) | (tokens > most)).any():
            raise VoiceError(f"{path.name}: its cache holds tokens that this model does not have; {again}")
    return Voice(
        path.name,
        content_hash,
        frames,
        embeddings=embeddings[:, 0, 0].to(device=initial.device, dtype=dtype),
        last=last.to(initial.device),
        following=following.to(initial.device),
    )
