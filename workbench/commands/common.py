"""What the commands share: their options, and how a fault that could be foreseen is told."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from workbench.bridge.redact import redact_log
from workbench.log_setup import writes_json
from workbench.settings import Settings

if TYPE_CHECKING:
    from workbench.bridge.config import ToolsConfig

T = TypeVar("T")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder for the database and recordings (WORKBENCH_DATA_DIR).")]
Db = Annotated[
    str | None, typer.Option("--db", help="DuckDB file or postgresql:// address (WORKBENCH_DB); else a file in the data folder.")
]
ToolsFile = Annotated[
    Path | None, typer.Option("--tools-file", help="TOML file of the tools (WORKBENCH_TOOLS_FILE); else ./workbench.toml.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; everything else goes to stderr.")]

FAULT_CODE = 2


class CommandError(Exception):
    """A command cannot do what it was asked. The message names what was wrong and how to mend it."""


def faults() -> tuple[type[Exception], ...]:
    """What can be foreseen to go wrong. Imported only when something did: a command loads no more than it needs."""
    from evaluation.cell_rows import RunError
    from evaluation.scenario_files import ScenarioError
    from workbench.analysis.source import AnalysisError
    from workbench.assembly import AssemblyError
    from workbench.audio.errors import AudioError
    from workbench.bridge.config_faults import ConfigError
    from workbench.conversation.port import TalkRefused
    from workbench.engines.base import EngineError
    from workbench.engines.speech.base import SpeechError
    from workbench.personas import PersonaError
    from workbench.space.errors import SpaceError
    from workbench.store.base import StoreError
    from workbench.wire_client import ChatError

    return (
        AnalysisError,
        AssemblyError,
        AudioError,
        ChatError,
        ConfigError,
        EngineError,
        PersonaError,
        SpaceError,
        RunError,
        ScenarioError,
        SpeechError,
        StoreError,
        TalkRefused,
    )


def say(message: str, level: int = logging.INFO) -> None:
    """One line on stderr: progress, and what went wrong. Where the log is for programs, it is a line of the log."""
    if writes_json():
        logging.getLogger("workbench").log(level, "%s", message)
        return
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - a command talks to its user


def show(text: str) -> None:
    """The result, on stdout."""
    print(text, flush=True)  # noqa: T201 - a command talks to its user


@contextmanager
def told_plainly() -> Iterator[None]:
    """A fault that could be foreseen becomes one line on stderr and exit code 2; an interrupt ends with 130."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(130) from interrupt
    except typer.Exit:
        raise
    except Exception as fault:
        if not isinstance(fault, (CommandError, *faults())):
            raise
        say(f"workbench: {' '.join(str(fault).split())}", logging.ERROR)
        raise typer.Exit(FAULT_CODE) from fault


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a command's work in an event loop of its own, its faults told plainly."""
    redact_log()
    with told_plainly():
        return asyncio.run(work())


def load_settings(**given: Any) -> Settings:
    """The settings from the environment, overridden by the flags that were given (None = not given). Raises CommandError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        told = "; ".join(f"{fault['loc'][0] if fault['loc'] else 'settings'}: {fault['msg']}" for fault in error.errors())
        raise CommandError(f"A setting cannot be used: {told}. Settings come from flags, WORKBENCH_ variables and .env.") from error


def load_tools(settings: Settings) -> ToolsConfig:
    """Who carries out tools, from the tools' file, the environment and `.env`. Raises ConfigError."""
    from workbench.bridge.config import environment, load

    return load(settings.tools_file, environment())


def spare_from_collection() -> None:
    """Takes what is loaded by now out of the garbage collector's rounds, for servers. Libraries and models are some 300,000 objects, and a
    round over all of them stops every thread for longer than a frame of 80 ms (`benchmarks/collection.py`)."""
    gc.collect()
    gc.freeze()


def listen_on(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CommandError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, an answer in two parts takes 40 ms longer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CommandError(
            f"{host}:{port} cannot be listened on ({error.strerror}). Another server may be running there; choose another --port."
        ) from error
    return listening
