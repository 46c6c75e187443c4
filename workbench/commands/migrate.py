"""`workbench migrate`: brings a database up to date."""

from __future__ import annotations

from workbench.commands.common import DataDir, Db, load_settings, say, show, told_plainly
from workbench.store.address import shown
from workbench.store.migrate import load_migrations
from workbench.store.opening import open_store


def migrate(data_dir: DataDir = None, db: Db = None) -> None:
    """Create the database if it is not there, and apply the migrations it lacks."""
    with told_plainly():
        database = load_settings(data_dir=data_dir, db=db).database
        say(f"Opening {shown(database)}.")
        store = open_store(database)
        try:
            applied = store.query("SELECT version FROM schema_migrations ORDER BY version")
        finally:
            store.close()
    show(f"{shown(database)} is up to date: {len(applied)} of {len(load_migrations())} migrations, the last {applied[-1]['version']}.")
