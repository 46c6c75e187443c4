"""Gateways in processes of their own that share one loaded model: they are forked from this one, which starts and counts them.

Orders come on standard input: `NAME PORT`, answered with the process id. Each gateway writes the prompts of its talks to NAME.prompts, a
JSON text a line. All end with this process's input.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import torch

from workbench.gateway.load import find_checkpoint, load_model
from workbench.gateway.model import Model
from workbench.gateway.seat import Listener, Request, Seat
from workbench.gateway.server import ServerOptions, serve
from workbench.gateway.slots import Slots

DRAIN_S = 300.0
"""Longer than any test: what ends a talk sooner is the test."""


def gateway(model: Model, name: str, port: int, folder: Path) -> None:
    """Serves until it is ended."""
    opened = Slots.open

    def open_and_tell(slots: Slots, request: Request, listener: Listener) -> Seat:
        with (folder / f"{name}.prompts").open("a") as prompts:
            prompts.write(json.dumps(model.tokenizer.decode(list(request.text_ids))) + "\n")
        return opened(slots, request, listener)

    Slots.open = open_and_tell  # type: ignore[method-assign]
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        serve(model, ServerOptions(port=port, token=os.environ["POOL_TOKEN"], drain_s=DRAIN_S, instance=name), listening)


def main(checkpoint: str, rows: int, folder: Path) -> None:
    """Loads the model and takes orders."""
    # A fork keeps only the thread that made it, so there must be no others.
    torch.set_num_threads(1)
    model = load_model(find_checkpoint(checkpoint, revision="main", token=None), device="cpu", rows=rows, dtype=None)
    children: list[int] = []
    for line in sys.stdin:
        name, port = line.split()
        child = os.fork()
        if child == 0:
            # Who reads the answers of this process waits for its end, not for that of its children.
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            try:
                gateway(model, name, int(port), folder)
            finally:
                os._exit(0)
        children.append(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
