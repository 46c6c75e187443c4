"""The small ONNX models that ship inside the pipecat-ai wheel, opened without importing that package."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

from workbench.audio.errors import AudioError

SILERO_VAD = "audio/vad/data/silero_vad.onnx"
SMART_TURN = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"


@lru_cache(maxsize=4)
def open_model(file: str) -> onnxruntime.InferenceSession:
    """The model in `file` (a path inside the wheel), loaded once and shared by all talks; it runs on one thread.

    Raises AudioError when the wheel or the file is not there.
    """
    package = find_spec("pipecat")
    if package is None or not package.submodule_search_locations:
        raise AudioError(f"the model {Path(file).name} is missing: pipecat-ai is not installed; run `uv sync`")
    path = Path(package.submodule_search_locations[0]) / file
    if not path.is_file():
        raise AudioError(f"pipecat-ai holds no {file}; install the version that pyproject.toml names (`uv sync`)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
