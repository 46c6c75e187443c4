"""Kyutai's pocket-tts, a neural voice that runs on a CPU; in a process of its own, so that neither torch nor its threads are in ours.

Needs the extra `speech` and, once, 400 MB of weights in the Hugging Face cache (CC-BY-4.0, from the repository without voice
cloning, which asks for no login). No weights were at hand when this was written. The package's model code ran through the worker
with random weights (first sound, stopping, the next text); fetching, the real weights and the package's own voices were never run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import yaml
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.worker_tts import WorkerTts

MODEL = "english"
"""Name of the package's model description; the worker loads the same one."""
VOICES = ("alba", "anna", "vera", "fantine", "charles", "paul", "eponine", "azelma", "george", "mary", "jane", "michael", "eve")
"""The package's English voices that come with known speakers, the default first."""
FETCHED_VOICES = ("alba", "charles")
"""One female and one male voice are downloaded with the weights."""
PROBE_S = 3.0
"""How long the one try to reach the Hub may take."""
START_S = 120.0
"""Importing torch and building the model took 37 s on a busy machine with two cores."""
STALL_S = 30.0

_INSTALL = "Install it: uv sync --extra speech"


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository on the Hugging Face Hub, at a fixed revision."""

    repository: str
    path: str
    revision: str

    @classmethod
    def from_address(cls, address: str) -> HubFile:
        """From `hf://owner/name/path@revision`, as the package's descriptions write it. Raises ValueError."""
        if not address.startswith("hf://") or "@" not in address:
            raise ValueError(f"{address!r} is no hf:// address with a revision")
        path, revision = address.removeprefix("hf://").rsplit("@", 1)
        owner, name, *rest = path.split("/")
        return cls(f"{owner}/{name}", "/".join(rest), revision)

    @property
    def cached(self) -> bool:
        return isinstance(try_to_load_from_cache(self.repository, self.path, revision=self.revision), str)


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that the installed package would load."""

    model: HubFile
    gated_model: HubFile
    """The same with voice cloning, behind a login; taken when somebody has it already."""
    tokenizer: HubFile

    def voice(self, name: str) -> HubFile:
        return HubFile(self.model.repository, f"languages/{MODEL}/embeddings/{name}.safetensors", self.model.revision)

    @property
    def voices(self) -> tuple[str, ...]:
        """Voices that are in the cache."""
        return tuple(name for name in VOICES if self.voice(name).cached)

    @property
    def cached(self) -> bool:
        """Everything is here to speak with at least one voice, without the network."""
        return (self.model.cached or self.gated_model.cached) and self.tokenizer.cached and bool(self.voices)


def find_weights() -> Weights:
    """What the installed package needs. Raises SpeechError when the package is missing or of another make."""
    package = find_spec("pocket_tts")
    if package is None or package.origin is None:
        raise SpeechError(f"pocket-tts cannot be used: the package is not installed. {_INSTALL}")
    description = Path(package.origin).parent / "config" / f"{MODEL}.yaml"
    try:
        config = yaml.safe_load(description.read_text())
        return Weights(
            model=HubFile.from_address(config["weights_path_without_voice_cloning"]),
            gated_model=HubFile.from_address(config["weights_path"]),
            tokenizer=HubFile.from_address(config["flow_lm"]["lookup_table"]["tokenizer_path"]),
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise SpeechError(f"pocket-tts cannot be used: its model description is not as expected ({error!r}). {_INSTALL} again") from error


async def fetch_weights(weights: Weights, progress: Callable[[str], None]) -> None:
    """Downloads what is missing into the Hugging Face cache; gives up after `PROBE_S` when the Hub cannot be reached.

    Raises SpeechError with the reason.
    """
    if constants.HF_HUB_OFFLINE:
        raise SpeechError("pocket-tts cannot be used: its weights are not in the cache and HF_HUB_OFFLINE forbids fetching them; unset it")
    files = [weights.model, weights.tokenizer, *map(weights.voice, FETCHED_VOICES)]
    try:
        async with httpx.AsyncClient(timeout=PROBE_S, follow_redirects=True) as client:
            answer = await client.head(
                hf_hub_url(weights.tokenizer.repository, weights.tokenizer.path, revision=weights.tokenizer.revision)
            )
            answer.raise_for_status()
        for file in files:
            if not file.cached:
                progress(f"fetching {file.path} for pocket-tts from {file.repository}")
                await asyncio.to_thread(hf_hub_download, file.repository, file.path, revision=file.revision)
    except (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SpeechError(
            f"pocket-tts cannot be used: its weights are not in the cache and could not be fetched ({type(error).__name__}). "
            "Try again with a network, or choose another voice with WORKBENCH_TTS"
        ) from error


class PocketTts(WorkerTts):
    """Implements `Tts`. One clause at a time for all talks together: on one core about two talks in real time (0.28 to 0.40 s of work
    per second of sound)."""

    def __init__(self, voices: Sequence[str], why: str = "its weights are in the local cache") -> None:
        """`voices`: those whose files are in the cache (`Weights.voices`)."""
        super().__init__(
            "pocket-tts",
            why,
            voices,
            (sys.executable, "-m", "workbench.engines.speech.pocket_tts_worker"),
            # Everything is in the cache; without this the package would first ask the Hub for the gated weights.
            environment={**os.environ, "HF_HUB_OFFLINE": "1"},
            start_s=START_S,
            stall_s=STALL_S,
        )
