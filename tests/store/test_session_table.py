"""The table of sessions over talks that came through the recorder: what is found, in which order, and how it is paged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest

from tests.many_sessions import A_DAY, PERSONAS, fill, has_barge_in, has_tool, reply_ms
from workbench.store.base import Store, StoreError
from workbench.store.opening import open_store
from workbench.store.ratings import rate, ratings
from workbench.store.session_table import SORTS, Wanted, choices, find

COUNT = A_DAY + 40


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def many(request: pytest.FixtureRequest) -> Iterator[Store]:
    with ExitStack() as lent:
        server = request.getfixturevalue("postgres") if request.param == "postgres" else None
        store = open_store(":memory:" if server is None else lent.enter_context(server.lent_store_database()))
        yield filled(store)
        store.close()


def filled(store: Store) -> Store:
    fill(store, COUNT)
    rate(store, "s-7", rater="Ann", stars=2, note="slow")
    rate(store, "s-7", rater="Bo", stars=5, note="")
    rate(store, "s-7", rater="Ann", stars=4, note="better: 100% of it")
    rate(store, "s-8", rater="Ann", stars=1, note="")
    rate(store, "s-9", rater="Ann", stars=None, note="no stars")
    return store


def found(store: Store, wanted: Wanted, **how: Any) -> list[int]:
    """The numbers of the sessions that are found, and that as many were counted."""
    page = find(store, wanted, limit=COUNT, **how)
    assert page.total == len(page.rows)
    return [int(row["session_id"].removeprefix("s-")) for row in page.rows]


def test_the_newest_come_first_a_page_at_a_time(many: Store) -> None:
    first, second = find(many, Wanted(), limit=3), find(many, Wanted(), limit=3, offset=3)
    assert [row["session_id"] for row in first.rows + second.rows] == [f"s-{COUNT - n}" for n in range(1, 7)]
    assert first.total == second.total == COUNT
    assert find(many, Wanted(), offset=COUNT).rows == []


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (Wanted(persona="casual"), lambda n: PERSONAS[n % 4] == "casual"),
        (Wanted(tool=True), has_tool),
        (Wanted(tool=False, barge_in=True), lambda n: has_barge_in(n) and not has_tool(n)),
        (Wanted(day=date(2026, 1, 2)), lambda n: n >= A_DAY),
        (Wanted(rated=True), lambda n: n in (7, 8)),
        (Wanted(rated=False, persona="myca"), lambda n: n % 4 == 0 and n != 8),
        (Wanted(rating_min=4.5), lambda n: n == 7),
        (Wanted(search="S-10"), lambda n: str(n).startswith("10")),
        (Wanted(search="Time_In"), has_tool),
        (Wanted(search="100% of"), lambda n: n == 7),
        (Wanted(search="100%_of"), lambda n: False),
        (Wanted(search="words of a-"), lambda n: True),
        (Wanted(search="words of u-23"), lambda n: str(n).startswith("23")),
        (Wanted(active=True), lambda n: False),
    ],
    ids=lambda value: str(value) if isinstance(value, Wanted) else "as said",
)
def test_filters_leave_what_they_say(many: Store, wanted: Wanted, holds: Any) -> None:
    assert found(many, wanted) == [n for n in reversed(range(COUNT)) if holds(n)]


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_goes_both_ways_and_what_is_unknown_comes_last(many: Store, sort: str) -> None:
    shown = {"started": "started_at", "length": "length_s", "latency": "latency_p50_ms"}
    column = shown.get(sort) or (f"{sort.removesuffix('s')}_count" if sort in ("turns", "tools", "barge_ins") else sort)
    for descending in (True, False):
        values = [row[column] for row in find(many, Wanted(), sort=sort, descending=descending, limit=COUNT).rows]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert values[: len(known)] == known
        assert len(values) == COUNT


def test_a_row_tells_what_the_talk_was(many: Store) -> None:
    (row,) = find(many, Wanted(search="s-12"), sort="started", descending=False, limit=1).rows
    assert (row["turn_count"], row["tool_count"], row["barge_in_count"], row["length_s"]) == (2, 1, 1, 24.0)
    assert (row["latency_p50_ms"], row["latency_n"]) == (reply_ms(12), 1)
    assert row["opening"] == "words of u-12"
    assert (row["has_audio"], row["is_active"], row["rating"]) == (False, False, None)


def test_the_newest_stars_of_each_person_count(many: Store) -> None:
    (row,) = find(many, Wanted(rating_min=4)).rows
    assert (row["session_id"], row["rating"], row["raters"]) == ("s-7", 4.5, 2)
    told = ratings(many, "s-7")
    assert [(one["rater"], one["stars"]) for one in told] == [("Ann", 4), ("Bo", 5), ("Ann", 2)]
    assert told[0]["rated_at"].tzinfo is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rater": "Ann", "stars": None, "note": " "}, "stars or a note"),
        ({"rater": " ", "stars": 3, "note": ""}, "name"),
        ({"rater": "Ann", "stars": 6, "note": ""}, "6 stars"),
    ],
)
def test_an_empty_judgement_is_refused(many: Store, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rate(many, "s-1", **given)


def test_nobody_can_rate_what_is_not_there(many: Store) -> None:
    with pytest.raises(StoreError):
        rate(many, "nobody", rater="Ann", stars=3, note="")
    assert ratings(many, "nobody") == []


def test_the_filters_offer_what_there_is(many: Store) -> None:
    offered = choices(many)
    assert set(offered["personas"]) == set(PERSONAS)
    assert set(offered["engines"]) == {"classic", "personaplex", "echo"}
