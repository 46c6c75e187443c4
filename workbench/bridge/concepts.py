"""Words that mean the same to a tool: what people say when they do not say what its description says."""

from __future__ import annotations

from functools import lru_cache

from workbench.bridge.numbers import read_number
from workbench.bridge.words import word_set

_GROUPS = {
    "weather": "weather jacket coat boots gloves sky freezing sunglasses sunscreen forecast rain raining rainy umbrella sunny sunshine "
    "snow snowing cloudy cloud windy "
    "storm stormy outside raincoat "
    "drizzle "
    "thunderstorm sun",
    "clock": "time clock oclock midnight noon hour",
    "calculation": "calculate calculation arithmetic math maths sum plus minus multiply multiplied divide divided subtract percent squared "
    "expression equation compute",
    "temperature": "temperature temp warm hot cold cool chilly degrees degree celsius fahrenheit heating heater thermostat heat warmer "
    "colder",
    "humidity": "humid dry humidity moist moisture damp dampness",
    "co2": "co2 carbon dioxide",
    "calendar": "calendar schedule meeting appointment event agenda diary busy booked free",
    "order": "order package parcel delivery shipment purchase shipped arrive arriving delivered tracking ship",
    "server": "server machine host computer vm box hypervisor virtual",
    "status": "status alive running online offline healthy health doing reachable responding state uptime working",
    "light": "light lamp bulb lighting",
    "timer": "timer countdown stopwatch",
    "alarm": "alarm wake",
    "message": "message text notify email mail ping inform sms alert letter",
    "note": "note memo ticket jot write",
    "table": "table",
    "backup": "backup snapshot",
    "restaurant": "restaurant reservation dinner",
    "disk": "disk disc drive harddrive partition",
    "data": "data information records",
    "user": "user account profile",
    "session": "session conversation talk",
    "subscription": "subscription membership",
    "workflow": "workflow pipeline automation job flow",
    "music": "music song playlist track album tune",
    "report": "report summary",
    "team": "team crew group staff everyone everybody",
    "statistics": "statistics stats figures metrics turns turn",
    "volume": "volume loudness sound",
    "door": "door gate",
    "plant": "plant plants",
    "log": "log logs logfile",
    "list": "list",
}  # fmt: skip
_CONCEPT = {word: concept for concept, words in _GROUPS.items() for word in words.split()}

NO_CONTENT = word_set(
    "the a an my our your his her their this that these those all every any some of in on at to for from with by as about into and or is "
    "it "
    "are am was were be been do does did have has had will would can could should shall may i you he she we they me us them him what when "
    "where which who how why if then now please there here so up down off out no not yes tell give show check get let know see look just "
    "really current currently today tomorrow tonight right anything something news much many long like want need one more new whole "
    "another say saying says again next up whether good old own per than too very still already name words person people thing things "
    "its way different stored long length certain given particular level again back above below over under past before after until "
    "between since "
    "monday tuesday wednesday thursday friday saturday sunday weekend week month year january february march april june july august "
    "september october november december day date morning afternoon evening night minute minutes second seconds hours"
)
"""Words that do not tell one tool from another."""


@lru_cache(maxsize=8_192)
def concept(word: str) -> str:
    """The group a word belongs to, else its singular."""
    if word in _CONCEPT:
        return _CONCEPT[word]
    single = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return _CONCEPT.get(single, single)


def concepts(words: list[str] | tuple[str, ...]) -> frozenset[str]:
    """The concepts of the words that have content."""
    return frozenset(concept(word) for word in words if has_content(word))


@lru_cache(maxsize=8_192)
def has_content(word: str) -> bool:
    """Whether a word can tell one tool from another; a number cannot."""
    return word not in NO_CONTENT and word.isalpha() and read_number([word]) is None
