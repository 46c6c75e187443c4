"""The personas there are: the shipped ones or a folder of one's own, and what was saved from the Personas page."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections import OrderedDict
from pathlib import Path

from workbench.personas import FILE_BYTES, Persona, PersonaError, check_id, load, parse
from workbench.settings import Settings

LENT = "~"
"""Stands in no id, so that a lent name is none either."""
MOST_LENT = 1_000

_Reading = tuple[list[Persona], dict[str, str]]


class PersonaChanged(PersonaError):
    """The file is no longer what was edited."""


def shipped_dir() -> Path:
    """`personas/` of the checkout when run from one, else the copy inside the installed package."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "personas"
    return checkout if (package.parent / "pyproject.toml").is_file() and checkout.is_dir() else package / "_personas"


def library_of(settings: Settings) -> PersonaLibrary:
    """The library that the settings ask for. A folder of one's own is edited in place; edits of shipped personas lie in the data folder,
    so that an update of the package never meets them."""
    if settings.personas_dir is not None:
        return PersonaLibrary(settings.personas_dir)
    return PersonaLibrary(edits=settings.data_dir / "personas")


class PersonaLibrary:
    """The personas of a folder, read anew at every call: a change on disk is seen at the next look."""

    def __init__(self, folder: Path | None = None, edits: Path | None = None) -> None:
        """`folder`: None = the shipped ones. `edits`: a second folder, whose files come before those of the first and into which `save`
        writes; None = `folder` itself."""
        self._folder = folder or shipped_dir()
        self._edits = edits or self._folder
        self._lent: OrderedDict[str, Persona] = OrderedDict()

    def list(self) -> list[Persona]:
        """Every persona whose file is right, by id."""
        return self._read()[0]

    def faults(self) -> dict[str, str]:
        """File name to what is wrong with it, for the files that `list` leaves out."""
        return self._read()[1]

    def lend(self, persona: Persona) -> str:
        """A name under which `get` gives just this version, until `MOST_LENT` others were lent. It tells nobody which version it is."""
        name = f"{persona.persona_id}{LENT}{secrets.token_hex(6)}"
        self._lent[name] = persona
        while len(self._lent) > MOST_LENT:
            self._lent.popitem(last=False)
        return name

    def get(self, persona_id: str) -> Persona:
        """Of a file, or of a version that was lent. Raises PersonaError: for an unknown id it lists the known ones, for a wrong file it
        says what is wrong."""
        if (lent := self._lent.get(persona_id)) is not None:
            return lent
        path = self._paths().get(f"{check_id(persona_id)}.md")
        if path is None:
            known = ", ".join(persona.persona_id for persona in self.list()) or "none"
            raise PersonaError(f"There is no persona {persona_id!r}. Known personas: {known}.")
        return load(path)

    def edited(self, persona_id: str) -> bool:
        """Whether a saved file stands before a shipped one of this id."""
        return self._edits != self._folder and (self._edits / f"{check_id(persona_id)}.md").is_file()

    def save(self, persona_id: str, text: str, *, expected: str | None) -> Persona:
        """Writes a persona's file, whole or not at all. `expected`: the content hash of the version that was edited, None for a new id.

        Raises PersonaChanged when another version is there by now, PersonaError when the text is wrong or cannot be written.
        """
        persona = parse(persona_id, text)
        if len(text.encode()) > FILE_BYTES:
            raise PersonaError(f"The file of persona {persona_id!r} would be larger than {FILE_BYTES} bytes; shorten the prompt.")
        path = self._paths().get(f"{persona_id}.md")
        there = load(path).content_hash if path is not None else None
        if there != expected:
            found = f"version {there[:8]}" if there is not None else "no such persona"
            raise PersonaChanged(f"There is {found} of {persona_id!r} now, which is not what was edited. Load it again before saving.")
        try:
            self._edits.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._edits, prefix=f".{persona_id}-", delete=False) as written:
                written.write(text)
                written.flush()
                os.fsync(written.fileno())
            Path(written.name).replace(self._edits / f"{persona_id}.md")
        except OSError as error:
            raise PersonaError(
                f"{self._edits} cannot be written ({error.strerror}). Set WORKBENCH_PERSONAS_DIR to a folder of yours."
            ) from error
        return persona

    def _paths(self) -> dict[str, Path]:
        folders = dict.fromkeys((self._folder, self._edits))
        found = {path.name: path for folder in folders for path in folder.glob("*.md") if not path.name.startswith(".")}
        return dict(sorted(found.items()))

    def _read(self) -> _Reading:
        good: list[Persona] = []
        faults: dict[str, str] = {}
        for name, path in self._paths().items():
            try:
                good.append(load(path))
            except PersonaError as error:
                faults[name] = str(error)
        return good, faults
