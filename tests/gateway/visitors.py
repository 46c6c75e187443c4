"""Visitors of a gateway whose owner is driven from the test's own thread."""

from __future__ import annotations

TEXT = "You are a wise and friendly teacher. Have a casual discussion about the weather."
