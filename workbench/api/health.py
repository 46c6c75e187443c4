"""True states: `/health` for people and programs, `/metrics` for Prometheus."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from workbench.api.context import Ctx
from workbench.api.probes import Probe
from workbench.assembly import AUTOMATIC
from workbench.settings import GATEWAY_AUTO, GATEWAY_OFF
from workbench.store import queries
from workbench.store.base import Store, StoreError
from workbench.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])


class EngineState(BaseModel):
    """What an engine's last handshake told."""

    state: Literal["ready", "busy", "starting", "unavailable"]
    reason: str
    repair: str
    handshake_ms: float | None
    capacity: int | None = Field(description="Talks at once; null when unknown.")
    in_use: int | None
    probed_at: datetime = Field(description="When the handshake was made: at most 5 s ago.")


class StoreState(BaseModel):
    """Whether talks are being written down."""

    ok: bool
    failure: str | None = Field(description="Why it cannot write or be read just now, with the mend.")
    waiting_rows: int = Field(description="Rows not committed yet.")
    lost_rows: int


class PartState(BaseModel):
    """A part that was chosen at the start, and why."""

    name: str
    why: str


class Health(BaseModel):
    """The state of this server, found out now."""

    status: Literal["ok", "degraded"]
    faults: list[str] = Field(description="Why the status is degraded; empty when it is ok.")
    service: Literal["personaplex-workbench"] = "personaplex-workbench"
    version: str
    personaplex: bool = Field(description="PersonaPlex answered its handshake.")
    moshi_available: bool = Field(description="The same under the name that some clients read.")
    engines: dict[str, EngineState]
    store: StoreState
    asr: PartState
    tts: list[PartState] = Field(description="Best first.")
    end_of_turn: str | None
    sessions_live: int
    sessions_max: int
    recording: bool
    timestamp: datetime


@router.get("/health")
async def health(context: Ctx) -> Health:
    """The true state of every part; each engine was asked within the last 5 s."""
    bench = context.workbench
    probes, store = await asyncio.gather(context.probes.all(), asyncio.to_thread(_store, bench.store))
    personaplex = probes["personaplex"].answer.state == "ready"
    faults = [] if store.ok else [store.failure or "The store cannot be used."]
    if not any(probe.answer.state == "ready" for name, probe in probes.items() if name in AUTOMATIC):
        faults.append("No engine is ready.")
    wanted = bench.settings.personaplex_url is not None or bench.settings.gateway not in (GATEWAY_AUTO, GATEWAY_OFF)
    if wanted and probes["personaplex"].answer.state not in ("ready", "starting"):
        faults.append(f"PersonaPlex is configured and not ready: {probes['personaplex'].answer.reason}")
    return Health(
        status="degraded" if faults else "ok",
        faults=faults,
        version=version("personaplex-workbench"),
        personaplex=personaplex,
        moshi_available=personaplex,
        engines={name: engine_state(probe) for name, probe in probes.items()},
        store=store,
        asr=PartState(name=bench.recogniser.name, why=bench.recogniser.why),
        tts=[PartState(name=tts.name, why=tts.why) for tts in bench.synthesisers],
        end_of_turn=bench.end_of_turn.name if bench.end_of_turn is not None else None,
        sessions_live=len(bench.sessions.live),
        sessions_max=bench.settings.max_sessions,
        recording=bench.settings.recording,
        timestamp=datetime.now(UTC),
    )


def engine_state(probe: Probe) -> EngineState:
    told = probe.answer
    return EngineState(
        state=told.state,
        reason=told.reason,
        repair=told.repair,
        handshake_ms=told.handshake_ms,
        capacity=told.capacity,
        in_use=told.in_use,
        probed_at=probe.probed_at,
    )


def _store(store: Store) -> StoreState:
    """The writer's own word, and a real read."""
    failure = store.failure
    try:
        queries.stats(store)
    except StoreError as error:
        failure = failure or str(error)
    return StoreState(ok=failure is None, failure=failure, waiting_rows=store.waiting_rows, lost_rows=store.lost_rows)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(context: Ctx) -> Response:
    """Figures of this process in Prometheus' text format."""
    return Response(context.telemetry.render(), media_type=CONTENT_TYPE)
