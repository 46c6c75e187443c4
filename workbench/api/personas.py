"""The persona library: what there is and how it is used, an edit checked while it is typed, versions and their differences."""

from __future__ import annotations

import asyncio
import functools
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from workbench.analysis.personas import measures, persona_data
from workbench.analysis.source import AnalysisError, StoreSource
from workbench.api.context import Context, Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.api.speech import MEDIA_TYPE, speak
from workbench.engines.base import PromptSize
from workbench.engines.speech.synthesisers import voice_for
from workbench.persona_library import PersonaChanged
from workbench.personas import FILE_BYTES, Persona, PersonaError, diff, lint, parse, render
from workbench.store import persona_rows

router = APIRouter(tags=["personas"])


class LintNote(BaseModel):
    """Something that will make a persona talk worse."""

    level: Literal["error", "warning"]
    code: str
    message: str


class PersonaState(BaseModel):
    """One persona as it is now."""

    persona_id: str
    name: str
    role: str
    voice: str
    tools: list[str]
    version: str = Field(description="SHA-256 of all that can change how it talks.")
    edited: bool = Field(description="A saved file stands before the shipped one.")
    notes: list[LintNote]
    talks: int = Field(description="Stored talks with any version of it.")
    versions: int = Field(description="Versions that were kept: talked to, or saved here.")
    last_talk: datetime | None = Field(description="When the last talk began; null before the first.")


class PersonasAnswer(BaseModel):
    """The library."""

    personas: list[PersonaState]
    faults: dict[str, str] = Field(description="Files that cannot be read, with what is wrong.")
    standard: str = Field(description="The persona that is taken when none is asked for.")


class Version(BaseModel):
    """One version that was kept."""

    version: str
    first_seen: datetime
    talks: int
    current: bool
    trials: int = Field(description="Votes in blind trials that it was a part of.")
    won: int = Field(description="Of these, votes for it.")
    text: str = Field(description="Its file.")


class PersonaDetail(BaseModel):
    """One persona, to be edited."""

    persona_id: str
    version: str
    edited: bool
    text: str = Field(description="Its file as it is now.")
    versions: list[Version] = Field(description="The newest first.")


class Draft(BaseModel):
    """A persona's file as somebody types it."""

    text: str = Field(max_length=FILE_BYTES)


class DraftAnswer(BaseModel):
    """What a draft would be."""

    error: str | None = Field(description="Why it would not load; null when it would.")
    version: str | None = Field(description="Null when it would not load.")
    notes: list[LintNote]
    prompt_chars: int
    tokens: int | None = Field(default=None, description="As a PersonaPlex gateway counts them; null when none answers.")
    ready: str = Field(default="", description="What the prompt costs PersonaPlex, for people; empty when the draft would not load.")
    diff: str = Field(description="Against the file as it is, unified; empty when they talk alike.")


class Saved(BaseModel):
    """What was saved."""

    persona_id: str
    version: str
    notes: list[LintNote]


class SaveRequest(Draft):
    """A file to be written."""

    model_config = ConfigDict(extra="forbid")
    expected: str | None = Field(description="The version that was edited; null for a persona that is new.")


class SampleRequest(BaseModel):
    """What a voice shall say."""

    text: str = Field(min_length=1, max_length=200)


class Score(BaseModel):
    """One measure of one version."""

    version: str = Field(description="The first letters of the version.")
    measure: str
    title: str
    unit: str
    better: Literal["higher", "lower"] | None
    talks: int
    value: float | None
    low: float | None = Field(description="Of the 95 % interval over talks; null where it cannot be told.")
    high: float | None


@router.get("/api/personas", responses=errors(503))
async def list_personas(context: Ctx) -> PersonasAnswer:
    """Every persona, with how often it was talked to. Uses come from the store; when that cannot be read the answer is 503."""
    return await asyncio.to_thread(_list, context)


def _list(context: Context) -> PersonasAnswer:
    library = context.workbench.personas
    used = persona_rows.uses(context.workbench.store)
    states = []
    for persona in library.list():
        use = used.get(persona.persona_id, {"talks": 0, "versions": 0, "last_talk": None})
        states.append(
            PersonaState(
                persona_id=persona.persona_id,
                name=persona.name,
                role=persona.role,
                voice=persona.voice,
                tools=list(persona.tools),
                version=persona.content_hash,
                edited=library.edited(persona.persona_id),
                notes=_notes(persona),
                **use,
            )
        )
    return PersonasAnswer(personas=states, faults=library.faults(), standard=context.workbench.settings.persona)


@router.get("/api/personas/{persona_id}", responses=errors(404, 503))
async def one_persona(context: Ctx, persona_id: str) -> PersonaDetail:
    """Its file, and every version that was talked to or saved here."""
    return await asyncio.to_thread(_detail, context, persona_id)


def _detail(context: Context, persona_id: str) -> PersonaDetail:
    library = context.workbench.personas
    persona = library.get(persona_id)
    kept = persona_rows.versions(context.workbench.store, persona_id)
    return PersonaDetail(
        persona_id=persona_id,
        version=persona.content_hash,
        edited=library.edited(persona_id),
        text=render(persona),
        versions=[
            Version(
                version=one.persona.content_hash,
                first_seen=one.first_seen,
                talks=one.talks,
                trials=one.trials,
                won=one.won,
                current=one.persona.content_hash == persona.content_hash,
                text=render(one.persona),
            )
            for one in kept
        ],
    )


@router.post("/api/personas/{persona_id}/check", responses=errors(400))
async def check_draft(context: Ctx, persona_id: str, draft: Draft) -> DraftAnswer:
    """Reads a file that is not saved: whether it would load, what the lint says, and what would change."""
    try:
        persona = parse(persona_id, draft.text)
    except PersonaError as error:
        return DraftAnswer(error=str(error), version=None, notes=[], prompt_chars=len(draft.text), diff="")
    try:
        before = context.workbench.personas.get(persona_id)
    except PersonaError:
        before = None
    size = await context.workbench.roster.prompt_size(persona)
    return DraftAnswer(
        error=None,
        tokens=size.tokens if size is not None and not size.error else None,
        ready=_ready(size),
        version=persona.content_hash,
        notes=_notes(persona),
        prompt_chars=len(persona.prompt),
        diff=diff(before, persona) if before is not None else "",
    )


@router.put("/api/personas/{persona_id}", responses=errors(400, 403, 409), dependencies=[OWN_PAGE])
async def save_persona(context: Ctx, persona_id: str, wanted: SaveRequest) -> Saved:
    """Writes the file; the next talk is with it. What is written becomes a version. 409 when another version is there by now."""
    library, recorder = context.workbench.personas, context.workbench.recorder
    try:
        before = library.get(persona_id) if wanted.expected is not None else None
        write = functools.partial(library.save, persona_id, wanted.text, expected=wanted.expected)
        persona = await asyncio.to_thread(write)
    except PersonaChanged as error:
        raise ApiError(409, "changed", str(error)) from error
    except PersonaError as error:
        raise ApiError(400, "bad_persona", str(error)) from error
    for version in (before, persona):
        # What was there before is a version too, even if nobody ever talked to it.
        if version is not None:
            recorder.remember_persona(version)
    # Who saved looks at the versions next.
    await asyncio.to_thread(context.workbench.store.flush)
    return Saved(persona_id=persona_id, version=persona.content_hash, notes=_notes(persona))


@router.post(
    "/api/personas/{persona_id}/voice",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "16-bit mono at 24 kHz; `X-Voice` says whose voice."},
        **errors(400, 404, 503),
    },
)
async def hear_voice(context: Ctx, persona_id: str, wanted: SampleRequest) -> Response:
    """A sample of the voice that the classic engine gives this persona. Where that is not its own, `X-Voice` says so."""
    tts, persona = context.workbench.tts, context.workbench.personas.get(persona_id)
    voice, note = voice_for(tts, persona.voice)
    said = note or f"{tts.name}'s voice {voice}."
    return Response(await speak(tts, wanted.text, voice), media_type=MEDIA_TYPE, headers={"X-Voice": said})


@router.get("/api/personas/{persona_id}/scores", responses=errors(404, 503))
async def scores(context: Ctx, persona_id: str, engine: str | None = None) -> list[Score]:
    """The measures of every version that was talked to, on one engine (the one with the most talks when none is named). They are those of
    the persona report."""
    persona = context.workbench.personas.get(persona_id)
    return await asyncio.to_thread(_scores, context, persona.persona_id, engine)


def _scores(context: Context, persona_id: str, engine: str | None) -> list[Score]:
    source = StoreSource(context.workbench.store, context.workbench.settings.audio_dir)
    try:
        data = persona_data(source, engine)
    except AnalysisError as error:
        raise ApiError(404, "no_talks", str(error)) from error
    found = measures(data.only(persona_id))
    return [
        Score(talks=row["sessions"], **{name: _known(row[name]) for name in Score.model_fields if name != "talks"})
        for row in found.to_dict("records")
    ]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _ready(size: PromptSize | None) -> str:
    if size is None:
        return "Tokens and the time to be ready are unknown: no PersonaPlex gateway answers."
    if size.error:
        return f"PersonaPlex would refuse it: {size.error}."
    takes = f"about {size.ready_ms:,.0f} ms" if size.ready_ms is not None else "an unknown time"
    return (
        f"New to a gateway it takes {takes} to be ready (by the time that its first prompt took), and {size.frames} frames of its window."
    )


def _notes(persona: Persona) -> list[LintNote]:
    return [LintNote(level=note.level, code=note.code, message=note.message) for note in lint(persona)]
