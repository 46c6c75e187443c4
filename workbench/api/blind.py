"""Two versions of a persona, blind: whoever talks to A and to B learns which is which only by voting."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from workbench.api.context import Ctx
from workbench.api.errors import ApiError, errors
from workbench.api.own_page import OWN_PAGE
from workbench.api.trials import Arm, Trial
from workbench.store import persona_rows, ratings

router = APIRouter(tags=["personas"])


class TrialRequest(BaseModel):
    """Two kept versions of one persona."""

    model_config = ConfigDict(extra="forbid")
    persona_id: str = Field(max_length=48)
    versions: tuple[str, str] = Field(description="Two hashes; which becomes A is drawn.")


class TrialAnswer(BaseModel):
    """A trial that goes on. Nothing here says which version is which."""

    trial_id: str
    personas: dict[Arm, str] = Field(description="The persona to ask for in a talk with A, and with B.")
    talked: dict[Arm, bool] = Field(description="Whether there was a talk since it began.")


class VoteRequest(BaseModel):
    """Which was better."""

    model_config = ConfigDict(extra="forbid")
    preferred: Arm | None = Field(description="null: neither.")
    rater: str = Field(max_length=80)
    note: str = Field(default="", max_length=2_000)


class VoteAnswer(BaseModel):
    """What was hidden."""

    versions: dict[Arm, str]
    sessions: dict[Arm, str] = Field(description="The talks that were judged: the newest with each.")


@router.post("/api/blind", status_code=201, responses=errors(400, 403, 404), dependencies=[OWN_PAGE])
async def begin_trial(context: Ctx, wanted: TrialRequest) -> TrialAnswer:
    """Draws which version is A and which is B, and gives names under which they can be talked to."""
    bench = context.workbench
    kept = await asyncio.to_thread(persona_rows.versions, bench.store, wanted.persona_id)
    personas = {one.persona.content_hash: one.persona for one in kept}
    unknown = [version for version in wanted.versions if version not in personas]
    if unknown:
        raise ApiError(404, "unknown_version", f"There is no kept version {unknown[0][:8]!r} of {wanted.persona_id!r}.")
    if wanted.versions[0] == wanted.versions[1]:
        raise ApiError(400, "bad_request", "Both are the same version; choose two.")
    drawn = list(wanted.versions)
    secrets.SystemRandom().shuffle(drawn)
    versions: dict[Arm, str] = {"A": drawn[0], "B": drawn[1]}
    names: dict[Arm, str] = {arm: bench.personas.lend(personas[version]) for arm, version in versions.items()}
    trial = Trial(wanted.persona_id, versions, names, datetime.now(UTC))
    return TrialAnswer(trial_id=context.trials.add(trial), personas=names, talked={"A": False, "B": False})


@router.get("/api/blind/{trial_id}", responses=errors(404))
async def one_trial(context: Ctx, trial_id: str) -> TrialAnswer:
    """How far it is."""
    trial = context.trials.get(trial_id)
    talks = await asyncio.to_thread(persona_rows.talks_since, context.workbench.store, trial.persona_id, trial.began)
    talked: dict[Arm, bool] = {arm: version in talks for arm, version in trial.versions.items()}
    return TrialAnswer(trial_id=trial_id, personas=dict(trial.names), talked=talked)


@router.post("/api/blind/{trial_id}/vote", status_code=201, responses=errors(400, 403, 404, 409), dependencies=[OWN_PAGE])
async def vote(context: Ctx, trial_id: str, wanted: VoteRequest) -> VoteAnswer:
    """Keeps the vote as a rating of both talks, and says which was which. 409 before both were talked to."""
    trial, store = context.trials.get(trial_id), context.workbench.store
    talks = await asyncio.to_thread(persona_rows.talks_since, store, trial.persona_id, trial.began)
    missing = [arm for arm, version in trial.versions.items() if version not in talks]
    if missing:
        raise ApiError(409, "not_talked", f"Nobody has talked to {' and '.join(missing)} yet. Talk to both, then vote.")
    sessions: dict[Arm, str] = {arm: talks[version] for arm, version in trial.versions.items()}
    judged = {session: None if wanted.preferred is None else arm == wanted.preferred for arm, session in sessions.items()}
    try:
        await asyncio.to_thread(ratings.vote, store, trial_id, judged, rater=wanted.rater, note=wanted.note)
    except ValueError as error:
        raise ApiError(400, "bad_request", str(error)) from error
    return VoteAnswer(versions=dict(trial.versions), sessions=sessions)
