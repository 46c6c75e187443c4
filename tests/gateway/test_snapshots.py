from __future__ import annotations

import torch

from workbench.gateway.snapshots import Snapshot, Snapshots


def snapshot(size_bytes: int) -> Snapshot:
    return Snapshot(1, [torch.zeros(size_bytes, dtype=torch.uint8)])


def test_least_recently_used_goes_first() -> None:
    kept = Snapshots(100)
    for name in "abc":
        kept.keep(name, snapshot(33))
    assert kept.find("a") is not None
    kept.keep("d", snapshot(20))
    assert kept.find("b") is None
    assert [kept.find(name) is not None for name in "acd"] == [True, True, True]
    assert kept.held_bytes == 86


def test_a_replaced_one_is_counted_once() -> None:
    kept = Snapshots(100)
    kept.keep("a", snapshot(60))
    kept.keep("a", snapshot(70))
    assert (len(kept), kept.held_bytes) == (1, 70)


def test_one_larger_than_the_limit_is_not_kept() -> None:
    kept = Snapshots(100)
    kept.keep("a", snapshot(50))
    kept.keep("b", snapshot(101))
    assert kept.find("a") is not None
    assert kept.find("b") is None
