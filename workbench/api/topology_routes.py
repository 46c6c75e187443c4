"""Who talks now, and how every node behind the talks does: one question for the Topology page."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from workbench.api.context import Context, Ctx
from workbench.api.health import EngineState, PartState, engine_state
from workbench.api.models import Stats
from workbench.api.tools import ProviderState
from workbench.api.topology import Seen, Silent
from workbench.audio.frames import FRAME_MS

router = APIRouter(tags=["operation"])


class TalkState(BaseModel):
    """One talk that goes on."""

    session_id: str
    user: str = Field(description="As the transport knows them; empty when nobody logged in.")
    persona: str
    engine: str
    gateway: str | None = Field(description="The instance that holds the talk; null where its engine is no gateway of ours.")
    transport: str
    minutes: float = Field(description="Of session time.")
    turns: int | None = Field(description="Finished so far; null while the talk is being opened.")
    tools: int | None = Field(description="Calls so far.")
    step_ms: float | None = Field(description="The engine's work on a frame, median of the last 30 s; null without frames.")


class ElsewhereState(BaseModel):
    """A talk that another process on the same store holds, as far as it is written down."""

    session_id: str
    persona: str
    engine: str | None
    transport: str | None
    minutes: float = Field(description="Since it began.")
    turns: int
    tools: int
    held_by: str = Field(description="Where it can be ended.")


class LoadState(BaseModel):
    """What a gateway tells of its model. null: it does not say."""

    model: str
    device: str
    waiting: int = Field(description="Visitors in its queue.")
    trial_step_ms: float | None = Field(description="A step of all places, tried when it started.")
    step_n: int = Field(description="Steps of the last 30 s of talk.")
    step_p50_ms: float | None
    step_p95_ms: float | None
    memory_used_mib: int | None = Field(description="Of its device, by whomever it is used.")
    memory_total_mib: int | None
    instance: str = Field(description="Which gateway told this, where several stand behind one address.")
    gateways: int | None = Field(description="Gateways behind the address that take talks; null: no balancer tells.")


class EngineNode(EngineState):
    """An engine, and the model server behind it."""

    load: LoadState | None = Field(description="null: there is no gateway of ours behind it, or it does not answer.")


class GpuState(BaseModel):
    """A device of this machine."""

    name: str
    used_mib: int
    total_mib: int


class RecogniserState(PartState):
    """The recogniser that hears all talks."""

    sessions: int = Field(description="Open now.")
    restarts: int = Field(description="Workers started again since the server began.")


class StoreNode(BaseModel):
    """The store, by its writer's own word and a real read."""

    waiting_rows: int = Field(description="Not committed yet: the lag.")
    lost_rows: int
    failure: str | None = Field(description="Why it cannot be written, with the mend.")
    removed: dict[str, int] = Field(description="What retention has removed since the start: talks, sounds, strays, bytes of sound.")
    read_ms: float | None = Field(description="The read of the totals just now; null when it did not answer.")


class TopologyAnswer(BaseModel):
    """Every node. What did not answer is null, and `unknown` says why: nothing is zero because nobody knows it."""

    talks: list[TalkState]
    elsewhere: list[ElsewhereState] | None = Field(description="Empty where no other process shares the store; unknown with `totals`.")
    places: int = Field(description="Talks at once that this server takes.")
    frame_ms: int = Field(default=FRAME_MS, description="How long a step may take.")
    totals: Stats | None
    engines: dict[str, EngineNode] | None
    gpus: list[GpuState] | None
    asr: RecogniserState
    tts: list[PartState] = Field(description="Best first.")
    providers: list[ProviderState] | None
    store: StoreNode
    unknown: dict[str, str] = Field(description="By the names `totals`, `engines`, `gpus`, `providers`.")
    seen_at: datetime


@router.get("/api/topology")
async def topology(context: Ctx) -> TopologyAnswer:
    """Asks every node at once, each for at most 4 s."""
    return _answer(context, await context.topology.look())


def _answer(context: Context, seen: Seen) -> TopologyAnswer:
    bench = context.workbench
    asked = {"totals": seen.stored, "engines": seen.engines, "gpus": seen.gpus, "providers": seen.providers}
    return TopologyAnswer(
        talks=[TalkState.model_validate(dataclasses.asdict(talk)) for talk in seen.talks],
        elsewhere=None
        if isinstance(seen.stored, Silent)
        else [ElsewhereState.model_validate(dataclasses.asdict(talk)) for talk in seen.stored.elsewhere],
        places=bench.settings.max_sessions,
        totals=None if isinstance(seen.stored, Silent) else Stats(**seen.stored.totals),
        engines=None
        if isinstance(seen.engines, Silent)
        else {
            name: EngineNode(
                **engine_state(probe).model_dump(),
                load=None if probe.answer.load is None else LoadState.model_validate(dataclasses.asdict(probe.answer.load)),
            )
            for name, probe in seen.engines.items()
        },
        gpus=None if isinstance(seen.gpus, Silent) else [GpuState(**dataclasses.asdict(gpu)) for gpu in seen.gpus],
        asr=RecogniserState(
            name=bench.recogniser.name, why=bench.recogniser.why, sessions=bench.recogniser.sessions, restarts=bench.recogniser.restarts
        ),
        tts=[PartState(name=tts.name, why=tts.why) for tts in bench.synthesisers],
        providers=None
        if isinstance(seen.providers, Silent)
        else [ProviderState.model_validate(dataclasses.asdict(state)) for state in seen.providers],
        store=StoreNode(
            waiting_rows=bench.store.waiting_rows,
            lost_rows=bench.store.lost_rows,
            failure=bench.store.failure,
            removed=dict(context.retention.counts),
            read_ms=None if isinstance(seen.stored, Silent) else seen.stored.read_ms,
        ),
        unknown={name: str(found) for name, found in asked.items() if isinstance(found, Silent)},
        seen_at=seen.seen_at,
    )
