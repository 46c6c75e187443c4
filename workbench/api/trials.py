"""The blind trials that go on: which version is A and which is B."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workbench.api.errors import ApiError

MOST_TRIALS = 500
"""Older ones are forgotten. A trial lasts as long as the process: what counts is the vote, which is a row."""

Arm = Literal["A", "B"]


@dataclass(frozen=True, slots=True)
class Trial:
    """Which version is A and which is B."""

    persona_id: str
    versions: Mapping[Arm, str]
    names: Mapping[Arm, str]
    """What a talk asks for, see `PersonaLibrary.lend`."""
    began: datetime


class Trials:
    """The blind trials of one process."""

    def __init__(self) -> None:
        self._trials: OrderedDict[str, Trial] = OrderedDict()

    def add(self, trial: Trial) -> str:
        """Its id."""
        trial_id = secrets.token_hex(8)
        self._trials[trial_id] = trial
        while len(self._trials) > MOST_TRIALS:
            self._trials.popitem(last=False)
        return trial_id

    def get(self, trial_id: str) -> Trial:
        """Raises ApiError for one that is not there."""
        if (found := self._trials.get(trial_id)) is None:
            raise ApiError(404, "unknown_trial", "There is no such trial; it is forgotten when the server starts anew. Begin another one.")
        return found
