from __future__ import annotations

import torch

from workbench.gateway.prompts import EPAD, PAD
from workbench.gateway.script import FREE, HELD, Scripts

CPU = torch.device("cpu")
OWN = 77
"""A word that the model would say by itself."""


def feed(scripts: Scripts, row: int, sampled: list[int], *, rows: int = 1) -> list[tuple[int, int]]:
    """The tokens and marks of `row` while it samples these; its neighbours sample OWN."""
    active = torch.ones(rows, dtype=torch.bool)
    out = []
    for token in sampled:
        proposed = torch.full((rows,), OWN)
        proposed[row] = token
        tokens, marks = scripts.apply(proposed, active)
        for other in range(rows):
            assert other == row or (tokens[other], marks[other]) == (OWN, FREE)
        out.append((int(tokens[row]), int(marks[row])))
    return out


def two_words(scripts: Scripts, row: int = 0, *, lead: int = 2, budget: int = 2, tail: int = 2) -> None:
    """Word one is pieces 10 11, word two is piece 12."""
    scripts.load(row, [10, 11, 12], [True, False, True], lead=lead, budget=budget, tail=tail)


def test_sampled_pads_wait_and_an_epad_announces() -> None:
    scripts = Scripts(1, CPU)
    two_words(scripts)
    out = feed(scripts, 0, [PAD, EPAD, PAD, EPAD, PAD, EPAD, EPAD, PAD, PAD, OWN])
    assert out == [
        (PAD, FREE),
        (EPAD, FREE),
        (10, 0),
        (11, 1),
        (PAD, FREE),
        (EPAD, FREE),
        (12, 2),
        (PAD, HELD),
        (PAD, HELD),
        (OWN, FREE),
    ]


def test_spent_budgets_begin_the_word() -> None:
    scripts = Scripts(1, CPU)
    two_words(scripts, lead=1, budget=3, tail=0)
    out = feed(scripts, 0, [PAD] * 8)
    assert [token for token, _mark in out] == [PAD, 10, 11, PAD, PAD, PAD, 12, PAD]
    assert out[-1] == (PAD, FREE)


def test_any_other_token_begins_the_word() -> None:
    scripts = Scripts(1, CPU)
    two_words(scripts)
    assert [token for token, _mark in feed(scripts, 0, [OWN] * 6)] == [10, 11, 12, PAD, PAD, OWN]


def test_hold_is_ended_by_words() -> None:
    scripts = Scripts(2, CPU)
    scripts.hold(1, 10)
    assert feed(scripts, 1, [OWN] * 2, rows=2) == [(PAD, HELD)] * 2
    two_words(scripts, 1, tail=0)
    assert [token for token, _mark in feed(scripts, 1, [OWN] * 4, rows=2)] == [10, 11, 12, OWN]


def test_dropped_words_do_not_come_out() -> None:
    scripts = Scripts(1, CPU)
    two_words(scripts)
    feed(scripts, 0, [OWN])
    scripts.drop(0)
    scripts.hold(0, 1)
    assert feed(scripts, 0, [OWN, OWN]) == [(PAD, HELD), (OWN, FREE)]
    two_words(scripts, tail=0)
    assert [token for token, _mark in feed(scripts, 0, [OWN] * 3)] == [10, 11, 12]


def test_paused_rows_stay_as_they_are() -> None:
    scripts = Scripts(1, CPU)
    two_words(scripts)
    scripts.apply(torch.tensor([OWN]), torch.tensor([True]))
    for _ in range(5):
        scripts.apply(torch.tensor([OWN]), torch.tensor([False]))
    assert feed(scripts, 0, [OWN, OWN]) == [(11, 1), (12, 2)]
