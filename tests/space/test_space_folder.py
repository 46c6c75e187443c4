"""The folder of a Space: complete, pinned as the lock is, without secrets; and its start."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from deploy.dockerfile import copied, read
from workbench.settings import Settings
from workbench.space.errors import SpaceError
from workbench.space.folder import CHECKOUT, SAMPLE, build, requirements
from workbench.space.start import environment, fill
from workbench.space.upload import listed
from workbench.store import queries
from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore

needs_uv = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed: pip install uv")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("space") / "cpu", "cpu", title="Talks")


@needs_uv
def test_the_card_is_one_that_the_hub_takes(space: Path) -> None:
    front = yaml.safe_load((space / "README.md").read_text().split("---")[1])
    assert (front["title"], front["sdk"], front["app_port"], front["suggested_hardware"]) == ("Talks", "docker", 7860, "cpu-basic")
    assert len(front["short_description"]) <= 60
    text = (space / "README.md").read_text()
    assert "HF_TOKEN" in text
    assert "TURN" in text


@needs_uv
def test_everything_that_is_built_from_is_there(space: Path) -> None:
    steps = read(space / "Dockerfile")
    for sources, _target in filter(None, (copied(step) for step in steps if step.kind == "COPY")):
        assert all((space / source).exists() for source in sources)
    assert steps[-1].words == ["python", "-m", "workbench.space.start"]
    project = tomllib.loads((space / "source" / "pyproject.toml").read_text())
    for name in (*project["project"]["license-files"], project["project"]["readme"]):
        assert (space / "source" / name).is_file()
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]:
        assert any((space / "source" / name).iterdir())
    assert (space / "source" / "workbench" / "app" / "static" / "talk.js").is_file()
    assert not list(space.rglob("__pycache__"))


@needs_uv
@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
def test_every_version_is_the_locks(hardware: str) -> None:
    locked: dict[str, set[str]] = {}
    for package in tomllib.loads((CHECKOUT / "uv.lock").read_text())["package"]:
        locked.setdefault(package["name"], set()).add(package.get("version", ""))
    lines = [line for line in requirements(hardware).splitlines() if line]  # type: ignore[arg-type]
    names = set()
    for line in lines:
        pinned = re.match(r"([a-z0-9._-]+)==([^ ;]+)", line)
        assert pinned, line
        assert pinned[2] in locked[pinned[1]], line
        names.add(pinned[1])
    assert {"gradio", "fastrtc", "duckdb", "pipecat-ai", "pocketsphinx"} <= names
    assert ("torch" in names, "moshi" in names) == ((True, True) if hardware == "gpu" else (False, False))
    assert not {"pytest", "mypy", "playwright"} & names, "what only developers need"


@needs_uv
def test_an_earlier_space_is_replaced_only_when_told_and_nothing_else_ever(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for replace in (False, True):
        with pytest.raises(SpaceError, match="not empty"):
            build(folder, "cpu", title="x", replace=replace)
    assert (folder / "thesis.txt").read_text() == "years of work"
    with pytest.raises(SpaceError, match="no checkout"):
        build(tmp_path / "new", "cpu", title="x", checkout=tmp_path)


def _small(folder: Path) -> Path:
    folder.mkdir()
    for name in ("Dockerfile", "README.md"):
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "x"),
        ("source/.env.local", "x"),
        ("keys/server.pem", "x"),
        ("var/workbench.duckdb", "x"),
        (".git/config", "x"),
        ("notes.md", "the token is hf_" + "a" * 34),
        ("notes.md", "-----BEGIN RSA PRIVATE KEY-----\nMIIabc"),
        ("notes.md", "my own password"),
    ],
)
def test_what_looks_like_a_secret_is_never_published(tmp_path: Path, name: str, text: str) -> None:
    folder = _small(tmp_path / "space")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    with pytest.raises(SpaceError) as caught:
        listed(folder, ["my own password", "x"])
    assert text == "x" or text not in str(caught.value)


def test_a_link_and_what_is_no_space_are_refused(tmp_path: Path) -> None:
    folder = _small(tmp_path / "space")
    assert [file.path for file in listed(folder)] == ["Dockerfile", "README.md"]
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(SpaceError, match="link"):
        listed(folder)
    with pytest.raises(SpaceError, match="no Space"):
        listed(tmp_path)


def test_a_start_closes_everything_but_the_talk_page(tmp_path: Path) -> None:
    made = environment({"SPACE_HOST": "lab-talks.hf.space", "PATH": "/bin"}, persistent=tmp_path / "none", home=tmp_path)
    again = environment({}, persistent=tmp_path / "none", home=tmp_path)
    assert made["WORKBENCH_PASSWORD"] != again["WORKBENCH_PASSWORD"]
    assert len(made["WORKBENCH_PASSWORD"]) > 30
    assert (made["WORKBENCH_PUBLIC_TALK"], made["WORKBENCH_ASK_CONSENT"], made["PATH"]) == ("true", "true", "/bin")
    assert made["WORKBENCH_ALLOWED_ORIGINS"] == "https://lab-talks.hf.space"
    assert made["WORKBENCH_TURN_FROM_HUGGINGFACE"] == "false"
    assert made["WORKBENCH_DATA_DIR"] == str(tmp_path / "var")
    given = {"WORKBENCH_PASSWORD": "mine", "HF_TOKEN": "hf_x", "WORKBENCH_PORT": ""}
    mine = environment(given, persistent=tmp_path, home=tmp_path)
    assert (mine["WORKBENCH_PASSWORD"], mine["WORKBENCH_TURN_FROM_HUGGINGFACE"], mine["WORKBENCH_PORT"]) == ("mine", "true", "7860")
    assert mine["WORKBENCH_DATA_DIR"] == str(tmp_path)


def test_an_empty_store_gets_the_sample_talks_once(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "var")
    with pytest.raises(StoreError):
        fill(settings, tmp_path)
    assert not Path(settings.database).exists(), "what failed half-way is begun anew"
    assert fill(settings, CHECKOUT / SAMPLE)
    assert not fill(settings, CHECKOUT / SAMPLE)
    store = DuckDbStore(settings.database)
    try:
        assert queries.stats(store)["total_sessions"] == 42
    finally:
        store.close()
    assert len(list(settings.audio_dir.glob("*.flac"))) == 3
