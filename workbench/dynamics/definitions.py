"""By which definitions turns, barge-ins and backchannels are derived. A talk keeps the version it was scored by: mixed ones are seen."""

from __future__ import annotations

import hashlib
import json

from workbench.dynamics import backchannels, barge_ins, segments, turns

RULES = 2
"""Raise it when a rule of `turns`, `barge_ins`, `backchannels` or of the tracker that applies them changes; a constant that changes is seen
by itself. 2: backchannels are events, and their words belong to no turn."""


def constants() -> dict[str, float]:
    """The constants that decide what a turn, a barge-in and a backchannel is, as they stand now, by name."""
    return {
        "IPU_PAUSE_MS": segments.IPU_PAUSE_MS,
        "TURN_PAUSE_MS": turns.TURN_PAUSE_MS,
        "WITHIN_OVERLAP_MS": turns.WITHIN_OVERLAP_MS,
        "YIELD_WINDOW_MS": barge_ins.YIELD_WINDOW_MS,
        "AGENT_PAUSE_MS": barge_ins.AGENT_PAUSE_MS,
        "BACKCHANNEL_WORDS": backchannels.BACKCHANNEL_WORDS,
        "WORD_SLACK_MS": backchannels.WORD_SLACK_MS,
    }


def version() -> str:
    """Changes with the rules and with every constant, such as `1-0f3a9c2e`."""
    return f"{RULES}-{hashlib.sha256(json.dumps(constants(), sort_keys=True).encode()).hexdigest()[:8]}"
