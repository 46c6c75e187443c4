"""`python -m deploy.rehearse deploy/workbench.Dockerfile FOLDER -- serve`: an image's steps without an image, where there is no Docker.

The build stage's COPY and `uv sync` steps run in FOLDER/app, from the lock; then the entry point is started with the words after `--`
and nothing of this environment but the image's, and its health check is asked until it is well. apt-get and useradd are left out: the
system's packages and the user are this machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.dockerfile import Step, copied, read, variables

ROOT = Path(__file__).parents[1]
WELL_WITHIN_S = 300.0
LOOK_S = 1.0


def build(steps: Sequence[Step], app: Path) -> None:
    """Runs the first stage's COPY and `uv` steps in `app`, which must not be there. Raises CalledProcessError."""
    app.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    for step in (step for step in steps if step.stage == 0):
        if step.kind == "COPY" and (found := copied(step)) is not None:
            for source in found[0]:
                _copy(ROOT / source, app / found[1] / Path(source).name if found[1].endswith("/") else app / found[1])
        elif step.kind == "RUN" and step.words[0] == "uv":
            print("RUN", step.text, flush=True)  # noqa: T201 - a command talks to its user
            subprocess.run(step.words, cwd=app, env=environment, check=True)


def start(steps: Sequence[Step], folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The entry point with `arguments`, and its health check until that is well. Gives the seconds that took; the server is ended.

    Raises RuntimeError when it ends by itself or is not well in time."""
    own = {name: _moved(value, folder) for name, value in variables(steps).items()}
    own |= {"PATH": f"{folder}/app/.venv/bin:/usr/bin:/bin", "HOME": str(folder), **environment}
    (folder / "data").mkdir(exist_ok=True)
    (health,) = [step.text.partition("CMD ")[2] for step in steps if step.kind == "HEALTHCHECK"]
    asks = [_moved(word, folder) for word in Step("CMD", health, 0).words]
    asks = [str(ROOT / "deploy" / "health.py") if word.endswith("health.py") else word for word in asks]
    (entry,) = [step.words for step in steps if step.kind == "ENTRYPOINT"]
    began_s = time.monotonic()
    server = subprocess.Popen([f"{folder}/app/.venv/bin/{entry[0]}", *entry[1:], *arguments], cwd=folder / "data", env=own)
    try:
        while True:
            done = subprocess.run(asks, env=own, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return round(time.monotonic() - began_s)
            if server.poll() is not None or time.monotonic() - began_s > WELL_WITHIN_S:
                raise RuntimeError(f"not well (server's exit code: {server.returncode}): {done.stderr}")
            time.sleep(LOOK_S)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copy(source, target)


def _moved(value: str, folder: Path) -> str:
    """An absolute path of the image, below `folder`."""
    return f"{folder}{value}" if value.startswith(("/data", "/cache", "/app")) else value


if __name__ == "__main__":
    _program, file, place, _dashes, *words = sys.argv
    found = read(Path(file))
    where = Path(place).resolve()
    build(found, where / "app")
    print(f"well after {start(found, where, words, {})} s")  # noqa: T201 - a command talks to its user
