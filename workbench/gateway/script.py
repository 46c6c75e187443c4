"""Words forced into the rows' text streams at the model's own pace, decided on the device without asking the host."""

from __future__ import annotations

import torch

from workbench.gateway.prompts import EPAD, PAD

MAX_PIECES = 256
"""Text pieces of one script: about 40 s of speech."""
FREE = -1
"""Mark of a text token that the model sampled by itself."""
HELD = -2
"""Mark of a PAD that a hold or the end of a script put there."""


class Scripts:
    """What each row has still to say, and how long it is to be quiet. All tensors are [B] or [B, MAX_PIECES]."""

    def __init__(self, rows: int, device: torch.device) -> None:
        def counts() -> torch.Tensor:
            return torch.zeros(rows, dtype=torch.long, device=device)

        self._pieces = torch.zeros(rows, MAX_PIECES, dtype=torch.long, device=device)
        self._begins = torch.zeros(rows, MAX_PIECES, dtype=torch.bool, device=device)
        self._length, self._cursor, self._waited, self._quiet = counts(), counts(), counts(), counts()
        self._lead, self._budget, self._tail = counts(), counts(), counts()
        self._opened = torch.zeros(rows, dtype=torch.bool, device=device)

    def load(self, row: int, pieces: list[int], begins: list[bool], *, lead: int, budget: int, tail: int) -> None:
        """Has `row` say `pieces` from its next pass on; ends its hold. `begins`: where a word begins. The rest are frames:
        `lead` the PADs that may come before the first word, `budget` those before each other word, `tail` those forced after the last."""
        device = self._pieces.device
        self._pieces[row, : len(pieces)] = torch.tensor(pieces, device=device)
        self._begins[row, : len(begins)] = torch.tensor(begins, device=device)
        for values, value in ((self._length, len(pieces)), (self._lead, lead), (self._budget, budget), (self._tail, tail)):
            values[row] = value
        for values in (self._cursor, self._waited, self._quiet):
            values[row] = 0
        self._opened[row] = False

    def hold(self, row: int, frames: int) -> None:
        """Keeps `row` quiet for `frames` passes, once it has nothing to say."""
        self._quiet[row] = frames

    def drop(self, row: int) -> None:
        """Forgets what the row has still to say, and ends its hold."""
        for values in (self._length, self._cursor, self._waited, self._quiet):
            values[row] = 0
        self._opened[row] = False

    def apply(self, sampled: torch.Tensor, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The text tokens [B] in place of the `sampled` ones, and their marks [B]: the index of a forced piece, FREE or HELD.

        Before a word, a sampled PAD waits within the budget, and an EPAD is kept and announces the word; anything else, or a spent
        budget, begins the word at once. A word's later pieces follow unbroken. Rows that are not `active` stay as they are."""
        saying = active & (self._cursor < self._length)
        cursor = self._cursor.clamp(max=MAX_PIECES - 1)[:, None]
        between = saying & self._begins.gather(1, cursor)[:, 0] & ~self._opened
        patience = torch.where(self._cursor == 0, self._lead, self._budget)
        waits = between & (sampled == PAD) & (self._waited < patience)
        announces = between & (sampled == EPAD)
        speaks = saying & ~waits & ~announces
        quiet = active & ~saying & (self._quiet > 0)
        tokens = torch.where(speaks, self._pieces.gather(1, cursor)[:, 0], torch.where(quiet, PAD, sampled))
        marks = torch.where(speaks, self._cursor, torch.where(quiet, HELD, FREE))
        self._cursor += speaks
        self._waited.copy_(torch.where(speaks, 0, self._waited + waits))
        self._opened.copy_((self._opened | announces) & ~speaks)
        ends = speaks & (self._cursor == self._length)
        self._quiet.copy_(torch.where(ends, self._tail, self._quiet - quiet.long()))
        return tokens, marks
