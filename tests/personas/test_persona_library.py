"""Saving: whole files, never over somebody else's edit, never over the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.persona_library import PersonaChanged, PersonaLibrary, library_of
from workbench.personas import PersonaError
from workbench.settings import Settings

FILE = "---\nname: Ada\nvoice: NATF0\nrole: assistant\n---\nYou are Ada. You know {what}.\n"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "ada.md").write_text(FILE.format(what="sums"))
    return folder


def test_an_edit_stands_before_the_shipped_one_and_leaves_it(shipped: Path, tmp_path: Path) -> None:
    library = PersonaLibrary(shipped, tmp_path / "var" / "personas")
    before = library.get("ada")
    assert not library.edited("ada")
    saved = library.save("ada", FILE.format(what="stars"), expected=before.content_hash)
    assert library.get("ada") == saved
    assert [found.prompt for found in library.list()] == ["You are Ada. You know stars."]
    assert library.edited("ada")
    assert "sums" in (shipped / "ada.md").read_text()
    assert [path.name for path in (tmp_path / "var" / "personas").iterdir()] == ["ada.md"]


def test_a_version_that_was_not_edited_is_not_overwritten(shipped: Path) -> None:
    library = PersonaLibrary(shipped)
    first = library.get("ada").content_hash
    library.save("ada", FILE.format(what="stars"), expected=first)
    with pytest.raises(PersonaChanged, match="not what was edited"):
        library.save("ada", FILE.format(what="stones"), expected=first)
    with pytest.raises(PersonaChanged, match="not what was edited"):
        library.save("ada", FILE.format(what="stones"), expected=None)
    assert library.get("ada").prompt == "You are Ada. You know stars."
    with pytest.raises(PersonaChanged, match="no such persona"):
        library.save("bob", FILE.format(what="stones"), expected=first)
    assert library.save("bob", FILE.format(what="stones"), expected=None).persona_id == "bob"


@pytest.mark.parametrize("persona_id", ["../x", "", "a/b", "Ada", "a.md"])
def test_what_is_no_id_is_written_nowhere(shipped: Path, persona_id: str) -> None:
    with pytest.raises(PersonaError, match="is not a persona id"):
        PersonaLibrary(shipped).save(persona_id, FILE, expected=None)
    assert [path.name for path in shipped.parent.rglob("*") if path.is_file()] == ["ada.md"]


def test_what_would_not_load_is_not_saved(shipped: Path) -> None:
    library = PersonaLibrary(shipped)
    with pytest.raises(PersonaError, match="no front matter"):
        library.save("bob", "You are Bob.", expected=None)
    with pytest.raises(PersonaError, match="larger than"):
        library.save("bob", FILE + "x" * 70_000, expected=None)
    assert [found.persona_id for found in library.list()] == ["ada"]


def test_a_folder_that_cannot_be_made_says_what_to_set(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PersonaError, match="WORKBENCH_PERSONAS_DIR"):
        PersonaLibrary(shipped, tmp_path / "file" / "personas").save("bob", FILE, expected=None)


def test_the_settings_say_where_edits_lie(shipped: Path, tmp_path: Path) -> None:
    own = library_of(Settings(_env_file=None, personas_dir=shipped, data_dir=tmp_path))
    own.save("bob", FILE, expected=None)
    assert (shipped / "bob.md").is_file()
    of_the_package = library_of(Settings(_env_file=None, data_dir=tmp_path))
    of_the_package.save("bob", FILE, expected=None)
    assert (tmp_path / "personas" / "bob.md").is_file()
