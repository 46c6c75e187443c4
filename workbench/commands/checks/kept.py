"""What is kept: persona files and the database."""

from __future__ import annotations

import asyncio

from workbench.commands.checks.finding import Finding
from workbench.settings import Settings


async def personas(settings: Settings) -> Finding:
    from workbench.persona_library import library_of

    library = library_of(settings)
    found, faults = library.list(), library.faults()
    names = ", ".join(persona.persona_id for persona in found)
    if settings.persona not in {persona.persona_id for persona in found}:
        return Finding("personas", "error", f"The persona {settings.persona!r} is not among: {names or 'none'}.", "unset WORKBENCH_PERSONA")
    if faults:
        return Finding("personas", "warning", "; ".join(faults.values()), f"edit {next(iter(faults))}")
    return Finding("personas", "ok", f"{len(found)} persona files: {names}.")


async def database(settings: Settings) -> Finding:
    from workbench.store.address import is_postgres, shown
    from workbench.store.base import StoreError
    from workbench.store.opening import open_store

    def trial() -> int:
        store = open_store(settings.database)
        try:
            return len(store.query("SELECT version FROM schema_migrations"))
        finally:
            store.close()

    try:
        applied = await asyncio.to_thread(trial)
    except StoreError as error:
        if "is held by process" in str(error):
            return Finding("database", "warning", str(error), "workbench doctor --data-dir ~/workbench")
        other = "--db postgresql://USER@HOST/NAME" if is_postgres(settings.database) else "--data-dir ~/workbench"
        return Finding("database", "error", str(error), f"workbench doctor {other}")
    return Finding("database", "ok", f"{shown(settings.database)} opens, with {applied} migrations applied.")
