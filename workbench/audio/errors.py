"""What can go wrong with sound."""

from __future__ import annotations


class AudioError(ValueError):
    """An audio file, stream or model cannot be used. The message names what was wrong and how to mend it."""
