"""`workbench gateway`: the PersonaPlex model server."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.commands.common import CommandError, listen_on, load_settings, say, spare_from_collection, told_plainly
from workbench.log_setup import TELLING, LogFormat, start_log
from workbench.telemetry.tracing import start_tracing

Device = Literal["auto", "cuda", "cpu"]
Dtype = Literal["bfloat16", "float32"]

GOODBYE_S = 5.0
"""How long a gateway whose parent is gone may take to end its talks."""
INSTALL_MODEL = "uv sync --extra personaplex"
DEFAULT_CHECKPOINT = "nvidia/personaplex-7b-v1"
CheckpointName = Annotated[str, typer.Option("--checkpoint", help="A folder, or a repository of the Hugging Face Hub (HF_TOKEN).")]
DeviceName = Annotated[Device, typer.Option("--device", help="auto = cuda where there is one.")]
WeightsName = Annotated[str, typer.Option("--weights", help="full, or int8: about half the memory for weights.")]
KvName = Annotated[str, typer.Option("--kv", help="full, or fp8: half the memory for every talk.")]
ContextFrames = Annotated[
    int | None, typer.Option("--context", help="Frames (80 ms) that the model looks back, 3000 unless given; a talk's memory goes with it.")
]
CpuOffload = Annotated[
    bool,
    typer.Option(
        "--cpu-offload",
        envvar=["PERSONAPLEX_CPU_OFFLOAD", "CPU_OFFLOAD"],
        help="Keep the layers in host memory and copy them to the device in every step. Seldom real time; tells the factor.",
    ),
]
DtypeName = Annotated[Dtype | None, typer.Option("--dtype", help="bfloat16 on cuda and float32 on a CPU unless given.")]


def gateway(
    checkpoint: CheckpointName = DEFAULT_CHECKPOINT,
    revision: Annotated[str, typer.Option(help="Revision of the repository: a commit, tag or branch.")] = "main",
    voices: Annotated[Path | None, typer.Option(help="Folder of voices (.pt, .wav); else the checkpoint's own.")] = None,
    more_voices: Annotated[Path | None, typer.Option(help="Folder of voices beside those; need not be there.")] = None,
    device: DeviceName = "auto",
    dtype: DtypeName = None,
    weights: WeightsName = "full",
    kv: KvName = "full",
    context: ContextFrames = None,
    cpu_offload: CpuOffload = False,
    slots: Annotated[int, typer.Option(min=1, help="Talks at once; each takes 1.6 GB beside the 7B model's 16 GB.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on; another one than loopback needs --token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port.")] = 8998,
    token: Annotated[str | None, typer.Option(envvar="PERSONAPLEX_TOKEN", help="Asked of every client as a bearer.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Page of another host that may connect; may be repeated.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS key (PEM).")] = None,
    pace: Annotated[Literal["realtime", "client"], typer.Option(help="client: wait for every client's frame, for tests.")] = "realtime",
    idle_s: Annotated[float, typer.Option(min=1, help="Seconds without sound after which a talk is ended.")] = 30.0,
    length_s: Annotated[float, typer.Option(min=1, help="Seconds after which a talk is ended.")] = 3_600.0,
    waiting: Annotated[int, typer.Option(min=0, help="Visitors that may wait for a slot.")] = 16,
    log_format: Annotated[LogFormat | None, typer.Option(help="json: one object a line (WORKBENCH_LOG_FORMAT).")] = None,
    log_level: Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="Of our own lines.")] = "info",
    drain_s: Annotated[
        float, typer.Option(min=0, help="Seconds that talks may go on after SIGTERM; a second one, or Ctrl-C, ends at once.")
    ] = 30.0,
    name: Annotated[str | None, typer.Option(help="Tells which gateway this is, where several stand behind one address.")] = None,
    inherited_socket: Annotated[int | None, typer.Option(hidden=True, help="Bound socket of a parent, whose pipe is the input.")] = None,
) -> None:
    """Serve the PersonaPlex model: many full-duplex talks from one model, at /api/chat."""
    with told_plainly(), model_faults():
        from workbench.gateway.load import find_checkpoint, load_model
        from workbench.gateway.modes import choose_mode
        from workbench.gateway.owner import Limits
        from workbench.gateway.server import ServerOptions, serve

        settings = load_settings()
        # An error of this class is most often the GPU's own.
        start_log(log_level, log_format or settings.log_format, transcripts=settings.log_transcripts, telling=(*TELLING, RuntimeError))
        mode = choose_mode(weights=weights, kv=kv, context=context, cpu_offload=cpu_offload)
        listening = None
        if inherited_socket is not None:
            end_with_input()
            # The parent tells its talks itself, and waits no longer than it must.
            drain_s = 0.0
            listening = socket.socket(fileno=inherited_socket)
            host, port = listening.getsockname()[:2]
        else:
            # A taken port is told before the model is loaded, which takes a minute.
            listen_on(host, port).close()
        limits, origins = Limits(idle_s, length_s, waiting), tuple(origin or ())
        named = {} if name is None else {"instance": name}
        options = ServerOptions(host, port, token, origins, certificate, key, pace, limits, drain_s, **named)
        hub = settings.hf_token
        say(f"Opening {checkpoint}.")
        found = find_checkpoint(checkpoint, revision=revision, token=hub.get_secret_value() if hub is not None else None)
        where = choose_device(device)
        say(f"Loading {found.name} (revision {found.revision}, licence {found.licence}) on {where} for {slots} talks.")
        model = load_model(found, device=where, rows=slots, dtype=dtype, voices=voices, more_voices=more_voices, mode=mode)
        say(f"Memory: {'; '.join(model.memory().lines(model.device))}.")
        tracing = start_tracing(settings.traces_url, service="personaplex-gateway", tell=say)
        spare_from_collection()
        try:
            serve(model, options, listening, tracing.tracer if tracing is not None else None)
        finally:
            if tracing is not None:
                tracing.close()


def end_with_input() -> None:
    """From now on this process ends when its standard input does: a pipe of its parent's, which ends however the parent ends."""

    def watch() -> None:
        while os.read(0, 1_024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GOODBYE_S)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-input", daemon=True).start()


def missing_packages() -> list[str]:
    """What the model needs and is not installed."""
    return [name for name in ("torch", "moshi") if find_spec(name) is None]


@contextmanager
def model_faults() -> Iterator[None]:
    """Faults of the model's room as CommandError; without its packages there is one line that says how to get them."""
    if missing := missing_packages():
        raise CommandError(f"{' and '.join(missing)} must be installed for the PersonaPlex model: {INSTALL_MODEL}")
    from workbench.gateway.checkpoint import CheckpointError
    from workbench.gateway.modes import ModeError
    from workbench.gateway.prefill import PrefillError
    from workbench.gateway.prompts import PromptError
    from workbench.gateway.server import ServerError
    from workbench.gateway.voice_sound import VoiceError

    try:
        yield
    except (CheckpointError, ModeError, PrefillError, PromptError, ServerError, VoiceError) as error:
        raise CommandError(str(error)) from error


def choose_device(device: Device) -> str:
    """What `auto` stands for here."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
