"""A process that removes talks, one after the other, until it is killed. Prints a line after each."""

from __future__ import annotations

import sys
from pathlib import Path

from workbench.store import retention
from workbench.store.opening import open_store

folder, database, days = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
store = open_store(database)


def tell() -> None:
    sys.stdout.write("removed\n")
    sys.stdout.flush()


rules = retention.Rules(keep_days=days)
retention.carry_out(store, folder, retention.plan(store, folder, rules), tell)
