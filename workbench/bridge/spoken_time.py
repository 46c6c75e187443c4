"""Dates and times of day as people say them."""

from __future__ import annotations

import re
from datetime import datetime, time

from workbench.bridge.numbers import say_number

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DATE = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?(?![\w:-])")
_TIME = re.compile(r"(?<![\w:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\w:])(\s?[ap]\.?m\b\.?)?", re.IGNORECASE)


def say_time(moment: time | datetime) -> str:
    """A time of day in words: 22:05 is "ten oh five at night"."""
    hour = moment.hour
    part = (
        "at night" if hour < 5 or hour >= 22 else "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    )
    return f"{_on_the_clock(moment)} {part}"


def _on_the_clock(moment: time | datetime) -> str:
    minute = moment.minute
    spoken_minute = "o'clock" if minute == 0 else f"oh {say_number(minute)}" if minute < 10 else say_number(minute)
    return f"{say_number(moment.hour % 12 or 12)} {spoken_minute}"


def dates_and_times_said(text: str) -> str:
    """`text` with its ISO dates and its clock times as they are said: 2026-01-02T14:05 is "January 2, 2026 at two oh five in the
    afternoon". What only looks like one (a day that no month has, the score 3:1) stays as it is. Zones other than UTC are left out."""
    return _TIME.sub(_time, _DATE.sub(_date, text))


def _date(found: re.Match[str]) -> str:
    year, month, day, time, zone = found.groups()
    try:
        datetime(int(year), int(month), int(day))
    except ValueError:
        return found[0]
    said = f"{MONTHS[int(month) - 1]} {int(day)}, {year}"
    return f"{said} at {time}{' UTC' if zone == 'Z' else ''}" if time else said


def _time(found: re.Match[str]) -> str:
    moment = time(int(found[1]), int(found[2]))
    return f"{_on_the_clock(moment)} {found[3].strip()}" if found[3] else say_time(moment)
