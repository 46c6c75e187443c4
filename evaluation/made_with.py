"""What made a result: versions, the commit, the machine. Stored with a run, so that a figure can be traced and a mixture is seen."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from workbench.settings import cores

PACKAGES = (
    "personaplex-workbench",
    "numpy",
    "scipy",
    "duckdb",
    "onnxruntime",
    "pipecat-ai",
    "pocketsphinx",
    "moonshine-voice",
    "espeakng-loader",
    "pocket-tts",
    "soundfile",
    "soxr",
    "torch",
    "moshi",
)
"""Those that hear, speak, resample or compute; `pipecat-ai` carries the models of voice activity and end of turn."""

CHECKOUT = Path(__file__).resolve().parents[1]
CODE = ("workbench", "evaluation/*.py", "migrations")
"""Scenarios and personas are told apart by their own content."""


def versions() -> dict[str, str | None]:
    """Python and the packages that a result depends on; None = not installed."""
    return {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit(checkout: Path = CHECKOUT) -> str | None:
    """The checkout's commit, and `+` with a hash of the changes where the code differs from it; None when this is no checkout or git is
    not there. What is not code (`CODE`) does not count."""
    if not (checkout / ".git").exists():
        return None
    try:
        head, changes = (_git(checkout, *words) for words in (("rev-parse", "HEAD"), ("diff", "HEAD", "--binary", "--", *CODE)))
    except (OSError, subprocess.SubprocessError):
        return None
    found = head.decode().strip()
    return f"{found}+{hashlib.sha256(changes).hexdigest()[:12]}" if changes else found


def code(checkout: Path = CHECKOUT) -> str:
    """SHA-256 (hex) of the code that this process runs, the same for a checkout and for the package built from it: what `commit` cannot
    tell of an installed package."""
    digest = hashlib.sha256()
    for package in ("workbench", "evaluation"):
        folder = checkout / package
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _git(checkout: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, check=True, timeout=30).stdout


def machine() -> dict[str, str | int | float]:
    """Processor, system and memory; no name and no address."""
    memory = psutil.virtual_memory().total / 2**30
    return {"system": platform.platform(), "processor": _processor(), "cores": cores(), "memory_gib": round(memory, 1)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
