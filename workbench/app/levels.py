"""How loud a frame is, for drawing."""

from __future__ import annotations

import numpy as np

from workbench.audio.frames import FRAME_MS, Pcm

LEVELS_PER_FRAME = 4
"""One level for every 20 ms."""
LEVEL_MS = FRAME_MS // LEVELS_PER_FRAME
FLOOR_DB = -60
"""Anything quieter is drawn as silence."""


def frame_levels(pcm: Pcm) -> list[int]:
    """RMS of each 20 ms of a frame [1920], in dB of full scale, `FLOOR_DB` to 0."""
    blocks = np.nan_to_num(pcm).astype(np.float32).reshape(LEVELS_PER_FRAME, -1)
    power = np.maximum(np.square(blocks).mean(axis=1), 1e-12)
    levels: list[int] = np.clip(np.rint(10 * np.log10(power)), FLOOR_DB, 0).astype(int).tolist()
    return levels
