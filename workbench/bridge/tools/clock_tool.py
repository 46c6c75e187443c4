"""The time in a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from workbench.bridge.local import Function
from workbench.bridge.spoken_time import say_time
from workbench.bridge.tool import Slot, SlotValue, Tool, ToolResult
from workbench.bridge.tools.places import NAMES, SEVERAL_ZONES, find, spoken_name, zone_of
from workbench.bridge.words import tokens, word_set

_UNKNOWN_COST = 0.55
_NEAR_COST = 0.4
_MAX_UNKNOWN_WORDS = 3
_NO_PLACE = word_set(
    "the a an it is was are be this that these those there here my your his her our their its me you him them us i we they time times day "
    "days morning evening afternoon night noon midnight week month year life world meeting now then before after when while if to do does "
    "not no yes please again today tomorrow yesterday what which who how and or of for with on at in by from about all some any one"
)
"""Words that no unknown place is called: "in the morning" and "in your life" ask for nothing."""


def read_place(words: Sequence[str]) -> SlotValue | None:
    """A place as it was said. An unknown one is taken too, so that the user hears that it is not known; but only alone."""
    known = find(words)
    if known is not None:
        name, exact = known
        return SlotValue(name, 0.0 if exact else _NEAR_COST)
    bare = tuple(words[1:]) if words[:1] == ["the"] else tuple(words)
    if bare in SEVERAL_ZONES:
        return SlotValue(" ".join(bare))
    if len(words) > _MAX_UNKNOWN_WORDS or any(word in _NO_PLACE or not word.isalpha() for word in words):
        return None
    return SlotValue(" ".join(words), _UNKNOWN_COST)


TOOL = Tool(
    name="time_in_place",
    description="Tell the time in a place",
    parameters={
        "type": "object",
        "properties": {"place": {"type": "string", "description": "a city or country; left out for here", "minLength": 1, "maxLength": 80}},
    },
    timeout_s=2.0,
    phrases=("what time is it in {place}", "what is the time in {place}", "what time is it", "what is the time"),
    wordings=(
        "what is the current time in {place}",
        "what is the local time in {place}",
        "what is the current time",
        "tell me the time in {place}",
        "tell me what time it is in {place}",
        "tell me the time",
        "tell me what time it is",
        "the time in {place}",
        "the time in {place} please",
        "current time in {place}",
        "local time in {place}",
        "what time do they have in {place}",
        "what time do you have",
        "how late is it in {place}",
        "how late is it",
        "what is {place} time",
        "what time is it over in {place}",
        "do you have the time",
    ),
    slots={"place": Slot(read_place, tuple(" ".join(tokens(name)) for name in NAMES), max_words=4)},
)


def answer(now: Callable[[], datetime]) -> Function:
    """The function of the tool. `now` gives an aware time; its zone is "here"."""

    def time_in_place(arguments: Mapping[str, Any]) -> ToolResult:
        asked = arguments.get("place")
        if asked is None:
            here = now()
            return ToolResult(f"It is {say_time(here)} here.", {"time": here.isoformat(timespec="seconds"), "place": None})
        words = tokens(asked)
        found = find(words) if words else None
        if found is None:
            if tuple(words) in SEVERAL_ZONES:
                spoken = f"{asked.title()} has more than one time. Name a city there."
                return ToolResult(spoken, {"place": asked, "known": True, "time": None})
            return ToolResult(f"I do not know a place called {asked}.", {"place": asked, "known": False, "time": None})
        name, _exact = found
        there = now().astimezone(ZoneInfo(zone_of(name)))
        spoken = f"It is {say_time(there)} on {there:%A} in {spoken_name(name)}."
        return ToolResult(spoken, {"place": name, "known": True, "zone": zone_of(name), "time": there.isoformat(timespec="seconds")})

    return time_in_place
