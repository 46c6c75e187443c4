"""Servers keep the collector away from what they have loaded."""

from __future__ import annotations

import gc

from workbench.commands.common import spare_from_collection


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_visited_no_more_and_what_comes_is() -> None:
    there = len(gc.get_objects())
    spare_from_collection()
    try:
        assert len(gc.get_objects()) < there / 10
        gc.collect()
        Circle()
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
