"""Files that are whole or not there: what a kill leaves behind never looks finished."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PART = ".part"
"""Ending of the hidden file that is being written; one that lies about was never finished."""


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes beside `path`, flushes to the disk, then renames in one step. Raises OSError, and ValueError for NaN and infinity."""
    making = path.with_name(f".{path.name}{PART}")
    with making.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(making, path)
