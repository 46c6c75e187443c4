"""Runs NVIDIA's PersonaPlex server from a checkout of its repository, on a checkpoint whose `config.json` tells its dimensions.

    python benchmarks/reference_server.py CHECKOUT CHECKPOINT --port 8998 --voices FOLDER

Three things are changed at run time, none on disk: the loader's dimensions (the checkout has the 7B model's written in), the address
(the server listens on every interface whatever `--host` says; here it is loopback), and the Hub (files come from CHECKPOINT). It needs a
Python with the packages of the checkout's `moshi/requirements.txt`, above all sphn below 0.2; nothing of the workbench is imported.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    given = parser.parse_args()
    package = given.checkout / "moshi"
    if not (package / "moshi" / "server.py").is_file():
        parser.error(f"{package}: no moshi/server.py; give a checkout of NVIDIA/personaplex")
    # Before any other package of the same name.
    sys.path.insert(0, str(package))
    os.environ.setdefault("NO_TORCH_COMPILE", "1")
    importlib.import_module("torch").set_num_threads(given.threads)
    set_dimensions(importlib.import_module("moshi.models.loaders"), json.loads((given.checkpoint / "config.json").read_text()))
    keep_to_this_machine(given.checkpoint)
    sys.argv = ["server", "--port", str(given.port), "--device", "cpu", "--static", "none", "--voice-prompt-dir", str(given.voices)]
    # Its module runs the server when it is imported.
    importlib.import_module("moshi.server")


def set_dimensions(loaders: Any, config: dict[str, Any]) -> None:
    """Replaces the loader's keyword dictionaries by the checkpoint's."""
    mimi = config["mimi"]
    for name, values in (
        ("_lm_kwargs", config["lm_kwargs"]),
        ("_seanet_kwargs", mimi["seanet"]),
        ("_quantizer_kwargs", mimi["quantizer"]),
        ("_transformer_kwargs", mimi["transformer"]),
    ):
        held: dict[str, Any] = getattr(loaders, name)
        held.clear()
        held.update(values)


def keep_to_this_machine(checkpoint: Path) -> None:
    """No download, and no interface but loopback."""
    hub: Any = importlib.import_module("huggingface_hub")
    web: Any = importlib.import_module("aiohttp.web")
    run_app = web.run_app

    def local_file(_repo: str, name: str, **_others: Any) -> str:
        return str(checkpoint / name)

    def run_on_loopback(app: Any, **others: Any) -> None:
        run_app(app, **{**others, "host": LOOPBACK})

    hub.hf_hub_download = local_file
    web.run_app = run_on_loopback


if __name__ == "__main__":
    main()
