"""The folder that is a Space: card, Dockerfile, pinned requirements, the workbench's source, sample talks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from workbench.space.errors import SpaceError
from workbench.space.texts import DOCKERFILE, Hardware, card

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("workbench", "evaluation", "migrations", "personas")
FILES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")
SAMPLE = Path("data") / "sample"
MARK = "requirements.txt"
"""What shows that a folder was built by us, and may be replaced."""
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def build(folder: Path, hardware: Hardware, *, title: str, replace: bool = False, checkout: Path = CHECKOUT) -> Path:
    """Makes the Space in `folder` and gives it back.

    Raises SpaceError: the folder is there, the workbench is no checkout, `uv` is missing.
    """
    if not (checkout / "pyproject.toml").is_file() or not (checkout / "uv.lock").is_file():
        raise SpaceError(f"{checkout} is no checkout of the workbench. Clone it, and run the command there.")
    pinned = requirements(hardware, checkout)
    if folder.exists() and any(folder.iterdir()):
        if not replace or not (folder / MARK).is_file() or not (folder / "source").is_dir():
            raise SpaceError(f"{folder} is not empty. Name another folder, or give --replace if it holds an earlier Space.")
        shutil.rmtree(folder)
    source = folder / "source"
    source.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(checkout / name, source / name)
    for name in SOURCES:
        shutil.copytree(checkout / name, source / name, ignore=_SKIPPED)
    shutil.copytree(checkout / SAMPLE, folder / "sample", ignore=_SKIPPED)
    (folder / "requirements.txt").write_text(pinned, "utf-8")
    (folder / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    (folder / "README.md").write_text(card(title, hardware), "utf-8")
    return folder


def requirements(hardware: Hardware, checkout: Path = CHECKOUT) -> str:
    """Every package that the workbench needs there with its version, from `uv.lock`; complete, so that pip resolves nothing.

    Raises SpaceError when `uv` is missing or refuses.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise SpaceError("uv, which reads uv.lock, is not there. Run: pip install uv")
    extras = ["--extra", "personaplex"] if hardware == "gpu" else []
    command = [
        uv,
        "export",
        "--frozen",
        "--offline",
        "--no-dev",
        "--no-emit-project",
        "--no-hashes",
        "--no-annotate",
        "--no-header",
        *extras,
    ]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SpaceError(f"uv cannot read {checkout / 'uv.lock'}: {done.stderr.strip()[-400:]}")
    return done.stdout
