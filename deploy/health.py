"""`python health.py URL`: exit code 0 when a workbench or a gateway answers there that it can hold talks; else 1, and what it said.

A workbench answers 200 also when it is degraded, so its words are read. Standard library only: it runs beside either image's packages.
"""

from __future__ import annotations

import json
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_S = 8.0
WELL = ("ok", "ready")
"""`status` of a workbench, and of a gateway whose model has made steps."""


def fault(url: str) -> str | None:
    """Why the server at `url` is not well; None when it is."""
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the address is the image's own
            told = json.load(answer)
    except HTTPError as error:
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if not isinstance(told, dict) or told.get("status") not in WELL:
        return json.dumps(told)[:500]
    return None


if __name__ == "__main__":
    if (found := fault(sys.argv[1])) is not None:
        sys.exit(found)
