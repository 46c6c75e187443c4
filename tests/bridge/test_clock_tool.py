from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from workbench.bridge.spoken_time import say_time
from workbench.bridge.tools.clock_tool import answer, read_place
from workbench.bridge.tools.places import NAMES, find, zone_of
from workbench.bridge.words import tokens


@pytest.mark.parametrize("name", NAMES)
def test_every_place_has_a_zone_and_is_found_by_its_name(name: str) -> None:
    assert ZoneInfo(zone_of(name))
    assert find(tokens(name)) == (name, True)


def test_the_table_is_as_big_as_it_says() -> None:
    assert len(set(NAMES)) == len(NAMES) > 120


@pytest.mark.parametrize(
    ("place", "spoken", "data"),
    [
        ("Tokyo", "It is nine oh five in the evening on Friday in Tokyo.", {"time": "2026-01-02T21:05:00+09:00", "zone": "Asia/Tokyo"}),
        ("nyc", "It is seven oh five in the morning on Friday in New York.", {"place": "New York"}),
        ("the netherlands", "It is one oh five in the afternoon on Friday in the Netherlands.", {"place": "Netherlands"}),
        ("Auckland", "It is one oh five at night on Saturday in Auckland.", {"known": True}),
        ("Kathmandu", "It is five fifty in the afternoon on Friday in Kathmandu.", {"known": True}),
        ("atlantis", "I do not know a place called atlantis.", {"known": False, "time": None}),
        ("united states", "United States has more than one time. Name a city there.", {"known": True, "time": None}),
        ("???", "I do not know a place called ???.", {"known": False}),
        ("../../etc/passwd", "I do not know a place called ../../etc/passwd.", {"known": False}),
    ],
)
def test_answers(noon: Callable[[], datetime], place: str, spoken: str, data: dict[str, object]) -> None:
    found = answer(noon)({"place": place})
    assert found.spoken == spoken
    assert {key: found.data.get(key) for key in data} == data


def test_here(noon: Callable[[], datetime]) -> None:
    assert answer(noon)({}).spoken == "It is twelve oh five in the afternoon here."


def test_every_minute_of_a_day_is_said_plainly(noon: Callable[[], datetime]) -> None:
    start = noon().replace(hour=0, minute=0)
    said = [say_time(start + timedelta(minutes=minute)) for minute in range(24 * 60)]
    assert said[0] == "twelve o'clock at night"
    assert said[9 * 60 + 15] == "nine fifteen in the morning"
    assert all(re.fullmatch("[a-z]+ [a-z' ]+ (at|in the) (night|morning|afternoon|evening)", text) for text in said)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("tokio", "Tokyo"),
        ("san fransisco", "San Francisco"),
        ("the u k", "United Kingdom"),
        ("atlantis", "atlantis"),
        ("united states", "united states"),
    ],
)
def test_places_as_heard(words: str, place: str) -> None:
    found = read_place(words.split())
    assert found is not None
    assert found.value == place


@pytest.mark.parametrize("words", ["the morning", "your life", "a bottle", "which it rained", "12", "one two three four"])
def test_no_place(words: str) -> None:
    assert read_place(words.split()) is None
