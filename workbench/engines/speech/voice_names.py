"""Which of a synthesiser's voices stands in for a PersonaPlex voice such as `NATF2`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from workbench.engines.speech.base import Tts

GENDERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("slt", "en-us+f3", "arabella"), "F"),
        **dict.fromkeys(("rms", "awb", "kal16", "en-us"), "M"),
        **dict.fromkeys(("alba", "anna", "vera", "fantine", "eponine", "azelma", "mary", "jane", "eve"), "F"),
        **dict.fromkeys(("charles", "paul", "george", "michael"), "M"),
    }
)
"""How the speaker of each of our synthesisers' voices sounds; a voice of the user's own is not here."""

_PERSONAPLEX = re.compile(r"(?:NAT|VAR)([FM])\d{1,2}")


def is_personaplex_voice(name: str) -> bool:
    """Whether `name` has the form of a PersonaPlex voice prompt."""
    return _PERSONAPLEX.fullmatch(name) is not None


def voice_for(tts: Tts, wanted: str | None) -> tuple[str | None, str | None]:
    """`(voice, note)`: the voice of `tts` that speaks for the persona's voice `wanted`, and what to tell the user about it.

    A voice of `tts` itself is taken as it is, without a note. Otherwise the first voice of the same gender, else the default. The
    default (`voice` None, no note) when no voice is wanted.
    """
    if wanted is None or wanted in tts.voices:
        return wanted, None
    match = _PERSONAPLEX.fullmatch(wanted)
    gender = match.group(1) if match else GENDERS.get(wanted)
    chosen = next((voice for voice in tts.voices if GENDERS.get(voice) == gender), tts.voices[0]) if gender else tts.voices[0]
    origin = "a PersonaPlex voice" if match else "a voice of another synthesiser" if gender else "not a voice that is known here"
    return chosen, f"{wanted} is {origin}; {tts.name} speaks as {chosen} here"
