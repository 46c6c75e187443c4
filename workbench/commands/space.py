"""`workbench space`: the workbench as a Space of the Hugging Face Hub."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from pydantic import SecretStr

from workbench.commands.common import CommandError, Json, load_settings, say, show, told_plainly
from workbench.commands.found import FoundCommands, new_app
from workbench.settings import Settings
from workbench.space.folder import build as build_folder
from workbench.space.upload import listed
from workbench.space.upload import push as push_folder
from workbench.store.hub import check_repo

TITLE = "PersonaPlex Workbench"


class HardwareChoice(Enum):
    """`cpu`: the classic engine; `gpu`: PersonaPlex, its gateway inside."""

    cpu = "cpu"
    gpu = "gpu"


Hardware = Annotated[HardwareChoice, typer.Option(help="What the Space runs on: cpu, the classic engine; gpu, PersonaPlex itself.")]
Title = Annotated[str, typer.Option(help="The Space's title.")]


class Forms(FoundCommands):
    """Both of them."""

    places: ClassVar[Mapping[str, str]] = {"build": "workbench.commands.space:build", "push": "workbench.commands.space:push"}


space = new_app(Forms, no_args_is_help=True)


@space.callback()
def forms() -> None:
    """Make a Space of the Hugging Face Hub out of this checkout, and upload it."""


def build(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    hardware: Hardware = HardwareChoice.cpu,
    title: Title = TITLE,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier Space in that folder.")] = False,
    as_json: Json = False,
) -> None:
    """Make the folder of a Space: card, Dockerfile, pinned requirements, source, sample talks."""
    with told_plainly():
        files = listed(build_folder(folder, hardware.value, title=title, replace=replace))
    told = {"folder": str(folder), "hardware": hardware.value, "files": len(files), "bytes": sum(file.size for file in files)}
    plain = f"{folder}: {len(files)} files, {told['bytes']:,} bytes. Upload it with: workbench space push OWNER/NAME --dir {folder}"
    show(json.dumps(told) if as_json else plain)


def push(
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The Space on the Hub.")],
    folder: Annotated[Path | None, typer.Option("--dir", help="A Space that `build` made; else one is made for this.")] = None,
    hardware: Hardware = HardwareChoice.cpu,
    title: Title = TITLE,
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the Space.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Really upload; else only what would be uploaded is told.")] = False,
    as_json: Json = False,
) -> None:
    """Upload a Space. Without --yes nothing leaves this machine: every file and its size is told."""
    with told_plainly(), ExitStack() as stack:
        check_repo(repo)
        settings = load_settings()
        token = settings.hf_token.get_secret_value() if settings.hf_token is not None else None
        if yes and token is None:
            raise CommandError("No token for the Hub. Set HF_TOKEN to one that may write.")
        if folder is None:
            folder = build_folder(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "space", hardware.value, title=title)
        files = listed(folder, _secrets(settings))
        address = None
        if yes:
            from huggingface_hub import HfApi

            say(f"Uploading {len(files)} files to {repo}.")
            address = push_folder(folder, repo, HfApi(token=token), private=private)
    told: dict[str, Any] = {"files": {file.path: file.size for file in files}, "bytes": sum(file.size for file in files), "space": address}
    lines = [f"{file.size:>10,} {file.path}" for file in files]
    end = address or f"Nothing was uploaded. Give --yes to upload these {len(files)} files, {told['bytes']:,} bytes, to {repo}."
    show(json.dumps(told) if as_json else "\n".join([*lines, end]))


def _secrets(settings: Settings) -> list[str]:
    """The values of every secret that is set here."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
