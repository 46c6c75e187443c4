"""The way into a talk: what was agreed beforehand over HTTP is given to the connection that comes for it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from workbench.api.errors import ApiError
from workbench.api.quota import TalkQuota
from workbench.api.roles import TICKET
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.sessions import CONVERSATION_ID, LiveTalk
from workbench.store import queries
from workbench.telemetry.following import Follow, Followed

KEPT_S = 60.0
"""A reservation that nobody came for is forgotten after this."""
MAX_PENDING = 256


@dataclass(frozen=True, slots=True)
class Reservation:
    """A talk that was agreed on and has not begun. Its id is the one under which the API knows the talk from then on."""

    session_id: str
    conversation_id: str
    persona: str
    voice: str
    engine: str
    made_at: datetime
    made_s: float
    """On the monotonic clock."""


class Entrance:
    """Opens talks for every transport, with what was reserved for them."""

    def __init__(
        self,
        workbench: Workbench,
        quota: TalkQuota,
        on_open: Callable[[LiveTalk], None],
        *,
        follow: Follow = lambda: nullcontext(Followed()),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_open` is told of every talk that was opened, before its first frame; who is there from its first event is in `follow`."""
        self._workbench = workbench
        self._quota = quota
        self._on_open = on_open
        self._follow = follow
        self._monotonic = monotonic
        self._pending: dict[str, Reservation] = {}

    async def reserve(self, *, session_id: str | None, conversation_id: str | None, persona: str, voice: str, engine: str) -> Reservation:
        """Of two reservations for one conversation the later counts. Raises ApiError for ids that are none or are taken, and when
        too many reservations wait."""
        for name, value in (("session_id", session_id), ("conversation_id", conversation_id)):
            if value is not None and not CONVERSATION_ID.fullmatch(value):
                raise ApiError(400, "bad_request", f"{name} is 1 to 64 letters, digits, hyphens and underscores.")
        known = session_id is not None and await asyncio.to_thread(queries.get_session, self._workbench.store, session_id) is not None
        self._forget_old()
        made = Reservation(
            session_id=session_id or uuid.uuid4().hex,
            conversation_id=conversation_id or uuid.uuid4().hex,
            persona=persona,
            voice=voice,
            engine=engine,
            made_at=datetime.now(UTC),
            made_s=self._monotonic(),
        )
        if known or any(made.session_id == pending.session_id for pending in self._pending.values()):
            raise ApiError(409, "taken", "This session_id is in use; leave it out, and one is made.")
        if len(self._pending) >= MAX_PENDING:
            raise ApiError(503, "busy", f"{MAX_PENDING} sessions wait for their connection. Try again in a minute.")
        self._pending[made.conversation_id] = made
        return made

    async def open(self, request: TalkRequest) -> LiveTalk:
        """An `Opener`. A request that carries the conversation id of a reservation takes its settings where it has none of its own.

        Raises TalkRefused.
        """
        self._forget_old()
        reserved = self._pending.get(request.conversation_id or "")
        ticket = TICKET.get()
        if ticket is not None and (reserved is None or reserved.session_id != ticket.session_id):
            raise TalkRefused("bad_request", "The talk of this ticket was opened before, or its minute is over. Reserve another.")
        if reserved is not None:
            request = dataclasses.replace(
                request,
                session_id=reserved.session_id,
                persona=request.persona or reserved.persona,
                voice=request.voice or reserved.voice,
                engine=request.engine or reserved.engine,
            )
        with self._quota.place() as place, self._follow() as followed:
            talk = await self._workbench.sessions.open(request, observers=followed.observers, trace_id=followed.trace_id)
            if place is not None:
                place.hold(talk)
        if reserved is not None:
            # Only now: a talk that was refused as busy may be tried again.
            self._pending.pop(reserved.conversation_id, None)
        self._on_open(talk)
        return talk

    async def end(self, session_id: str) -> bool:
        """Ends the talk of a session id, or drops the reservation. False when there is neither."""
        for pending in tuple(self._pending.values()):
            if pending.session_id == session_id:
                del self._pending[pending.conversation_id]
                return True
        return await self._workbench.sessions.end(session_id)

    def _forget_old(self) -> None:
        oldest_s = self._monotonic() - KEPT_S
        self._pending = {key: pending for key, pending in self._pending.items() if pending.made_s >= oldest_s}
