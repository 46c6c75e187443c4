"""What the page offers to choose from, and what a choice asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.assembly import Workbench
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.engines.roster import AUTO
from workbench.engines.voices import PERSONAPLEX_VOICES
from workbench.sessions import CONVERSATION_ID

OWN_VOICE = ""
"""Stands for the persona's own voice."""

CHOICES = ("persona", "voice", "engine", "recording", "consent")
"""What is chosen on the page, in the order in which it is told."""

CONSENT_QUESTION = "May your talks on this page be kept for research: your voice, your words, and the persona's?"
KEEP, NOTHING = "keep", "nothing"
CONSENTS = [("Yes, keep them", KEEP), ("No, keep nothing", NOTHING)]

Choice = tuple[str, str]
"""What is shown, and the value."""


def personas(workbench: Workbench) -> list[Choice]:
    """Every persona whose file is right."""
    return [(f"{persona.name} · {persona.persona_id}", persona.persona_id) for persona in workbench.personas.list()]


def voices(workbench: Workbench) -> list[Choice]:
    """The persona's own voice first, then what the synthesiser has, then PersonaPlex's."""
    here = [name for name in workbench.tts.voices if name not in PERSONAPLEX_VOICES]
    return [("the persona's own", OWN_VOICE), *((f"{name} · {workbench.tts.name}", name) for name in here), *_personaplex()]


def _personaplex() -> list[Choice]:
    return [(f"{name} · PersonaPlex", name) for name in PERSONAPLEX_VOICES]


def engines(workbench: Workbench) -> list[Choice]:
    """`auto` and every engine there is, whether it answers or not: the lights say which does."""
    return [("auto · the best that answers", AUTO), *((name, name) for name in workbench.roster.names)]


def read_request(values: Sequence[Any], *, ask_consent: bool = False) -> TalkRequest:
    """The values of persona, voice, engine, recording, consent and visitor as a request. Names are checked where the talk is opened.

    Raises TalkRefused when the page sent something else, and for a visitor who has not answered the question for consent.
    """
    try:
        persona, voice, engine, recording, consent, visitor = values
    except ValueError as error:
        raise TalkRefused("bad_request", "The page is of another version than the server. Reload it.") from error
    if not isinstance(visitor, str) or not CONVERSATION_ID.fullmatch(visitor):
        raise TalkRefused("bad_request", "The page did not say whose talk this is. Reload it.")
    return TalkRequest(
        persona=_name(persona),
        voice=_name(voice),
        engine=_name(engine),
        recording=bool(recording),
        conversation_id=visitor,
        consent=_consent(consent) if ask_consent else None,
    )


def _consent(answer: object) -> str:
    if answer not in (KEEP, NOTHING):
        raise TalkRefused("consent", "Please say first, on the left, whether your talks may be kept. Both answers let you talk.")
    return CONSENT_QUESTION if answer == KEEP else ""


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
