"""The Dockerfiles held against the repository: what they copy, install, start and run as."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from compose_file import ROOT

from deploy import dockerfile
from workbench.settings import Settings

FILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
IGNORE = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def uv(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    return subprocess.run(["uv", *words, "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)


def installs(file: Path) -> list[list[str]]:
    return [step.words for step in dockerfile.read(file) if step.kind == "RUN" and step.words[0] == "uv"]


def test_there_are_two() -> None:
    assert [file.stem for file in FILES] == ["gateway", "workbench"]


@each
def test_what_is_copied_is_there_and_let_in(file: Path) -> None:
    assert IGNORE[0] == "*"
    let_in = [line[1:] for line in IGNORE if line.startswith("!")]
    assert all((ROOT / name).exists() for name in let_in)
    copies = [found for step in dockerfile.read(file) if step.kind == "COPY" and (found := dockerfile.copied(step)) is not None]
    sources = [source for found in copies for source in found[0]]
    assert set(sources) == set(let_in), "what is let in is copied, and the other way round"


@each
def test_the_copied_folders_hold_all_that_the_package_needs(file: Path) -> None:
    """What hatchling packs must be there when the image's second `uv sync` builds the package."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "uv.lock"}
    copies = [found for step in dockerfile.read(file) if step.kind == "COPY" and (found := dockerfile.copied(step)) is not None]
    assert needed <= {source for found in copies for source in found[0]}


@each
def test_packages_come_from_the_lock(file: Path) -> None:
    first, second = installs(file)
    assert [word for word in first if word != "--no-install-project"] == [word for word in second if word != "--no-editable"]
    assert {"sync", "--frozen", "--no-dev"} <= set(first)
    extras = [first[at + 1] for at, word in enumerate(first) if word == "--extra"]
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    exported = uv(
        "export", "--frozen", "--no-dev", "--no-emit-project", "--quiet", *(word for name in extras for word in ("--extra", name))
    )
    assert exported.returncode == 0, exported.stderr
    packages = {line.partition("==")[0] for line in exported.stdout.splitlines() if "==" in line}
    assert {"fastapi", "duckdb"} <= packages
    assert ("torch" in packages, "psycopg" in packages) == (file.stem == "gateway", file.stem == "workbench")


def test_the_lock_is_that_of_the_project() -> None:
    done = uv("lock", "--check")
    assert done.returncode == 0, f"run `uv lock`: {done.stderr}"


@each
def test_bases_and_tools_are_pinned(file: Path) -> None:
    steps = dockerfile.read(file)
    bases = {step.words[0] for step in steps if step.kind == "FROM"}
    (base,) = bases
    version = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", base)
    assert version is not None, base
    assert (3, 11) <= (int(version[1]), int(version[2])) < (3, 14)
    assert any(re.search(r"pip install .*uv==\d+\.\d+\.\d+$", step.text) for step in steps)


@each
def test_nothing_runs_as_root(file: Path) -> None:
    steps = dockerfile.read(file)
    last = [step for step in steps if step.stage == steps[-1].stage]
    (user,) = [step.text for step in last if step.kind == "USER"]
    made = next(step.text for step in last if step.kind == "RUN" and "useradd" in step.text)
    assert user not in ("root", "0")
    assert re.search(rf"useradd --uid [1-9]\d+ .*\b{user}\b", made)
    kinds = [step.kind for step in last]
    assert kinds.index("USER") > max(at for at, kind in enumerate(kinds) if kind in ("RUN", "COPY")), (
        "what root installs, only root changes"
    )
    # The packages stay root's, so that what runs cannot change them.
    assert any(step.text.startswith("--from=build --chown=root:root") for step in last if step.kind == "COPY")


@each
def test_variables_and_entry_point(file: Path) -> None:
    steps = dockerfile.read(file)
    known = {Settings.model_construct().variable(field) for field in Settings.model_fields}
    assert {name for name in dockerfile.variables(steps) if name.startswith("WORKBENCH_")} <= known
    (entry,) = [step.words for step in steps if step.kind == "ENTRYPOINT"]
    assert entry[0] in PROJECT["scripts"]
