"""Pushing an export to the Hub, with an API that only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.store.talks_in_store import keep
from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import ExportOptions, export
from workbench.store.hub import card, push


class RememberingApi:
    """Stands in for `HfApi`."""

    def __init__(self, refuses: str = "") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuses = refuses

    def create_repo(self, repo_id: str, **given: Any) -> None:
        if self.refuses:
            raise RuntimeError(self.refuses)
        self.calls.append(("create_repo", {"repo_id": repo_id} | given))

    def upload_folder(self, **given: Any) -> None:
        self.calls.append(("upload_folder", given))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    store = DuckDbStore(":memory:")
    keep(store, tmp_path / "audio", "one", frames=3)
    done = export(store, tmp_path / "audio", tmp_path / "out", ExportOptions(audio=True, personas=["myca"]))
    store.close()
    return done.folder


def front_matter(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---")[1])
    return found


def test_a_dataset_is_private_unless_said_otherwise(exported: Path) -> None:
    api = RememberingApi()
    assert push(exported, "lab/talks", api) == "https://huggingface.co/datasets/lab/talks"
    push(exported, "lab/talks", api, private=False)
    made = [given for name, given in api.calls if name == "create_repo"]
    assert [given["private"] for given in made] == [True, False]
    assert {given["repo_type"] for given in made} == {"dataset"}


def test_the_sound_is_uploaded_once(exported: Path) -> None:
    api = RememberingApi()
    push(exported, "lab/talks", api)
    ((_name, given),) = [call for call in api.calls if call[0] == "upload_folder"]
    assert given["ignore_patterns"] == ["audio/*"]
    assert Path(given["folder_path"]) == exported
    assert (exported / "README.md").is_file()


def test_the_card_tells_what_is_there_and_how_it_was_made(exported: Path) -> None:
    text = card(exported, "lab/talks", "cc-by-4.0")
    front = front_matter(text)
    assert front["license"] == "cc-by-4.0"
    assert front["size_categories"] == ["n<1K"]
    names = [config["config_name"] for config in front["configs"]]
    assert "barge_ins" not in names, "the Hub refuses a configuration without files"
    assert {"sessions", "turns", "events", "audio"} <= set(names)
    assert "| `turns` | 2 |" in text
    assert "personas: myca" in text
    assert "They are as they were recognised" in text


def test_nobody_but_the_user_chooses_a_licence(exported: Path) -> None:
    text = card(exported, "lab/talks", None)
    assert "license" not in front_matter(text)
    assert "None was chosen" in text


def test_what_the_hub_says_is_told(exported: Path) -> None:
    with pytest.raises(StoreError, match=r"403 Forbidden.*HF_TOKEN"):
        push(exported, "lab/talks", RememberingApi(refuses="403 Forbidden"))


@pytest.mark.parametrize("name", ["talks", "a/b/c", "../x", "lab/", "lab/ta lks"])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_done(exported: Path, name: str) -> None:
    api = RememberingApi()
    with pytest.raises(StoreError, match="OWNER/NAME"):
        push(exported, name, api)
    assert api.calls == []
