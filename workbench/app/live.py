"""Who watches which talk: viewers of a session, and pages with a visitor in front of them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from workbench.app.choices import read_request
from workbench.app.feed import TalkFeed, Viewer
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.sessions import LiveTalk

WRITTEN = "page"
"""The transport of a talk without sound."""

OpenTalk = Callable[[TalkRequest], Awaitable[LiveTalk]]
"""Opens a talk, or raises TalkRefused."""


class LiveHub:
    """A page gives its talks its own visitor id as the conversation id; so the hub knows whose page a talk belongs to."""

    def __init__(self, open_talk: OpenTalk, live: Callable[[], Mapping[str, LiveTalk]], *, ask_consent: bool = False) -> None:
        """`live`: the running talks by session id. `ask_consent`: no written talk begins before that question is answered."""
        self._open_talk = open_talk
        self._ask_consent = ask_consent
        self._live = live
        self._feeds: dict[str, TalkFeed] = {}
        self._pages: dict[str, set[Viewer]] = {}
        self._talk_of: dict[str, str] = {}

    async def open(self, request: TalkRequest) -> LiveTalk:
        """An `Opener` that follows the talk from its start and tells the visitor's pages, also why there is none.

        Raises TalkRefused.
        """
        visitor = request.conversation_id or ""
        try:
            talk = await self._open_talk(request)
        except TalkRefused as refusal:
            self._tell_refused(visitor, refusal)
            raise
        feed = self._follow(talk)
        self._talk_of[visitor] = talk.session_id
        for page in self._pages.get(visitor, ()):
            feed.watch(page)
        return talk

    async def begin(self, visitor: str, chosen: Sequence[Any], text: str) -> None:
        """A written talk of the visitor's with what is `chosen` on the page: nothing is heard, everything is read. A refusal is told to
        the visitor's pages."""
        try:
            request = read_request([*chosen, visitor], ask_consent=self._ask_consent)
        except TalkRefused as refusal:
            self._tell_refused(visitor, refusal)
            return
        with contextlib.suppress(TalkRefused):
            talk = await self.open(dataclasses.replace(request, transport=WRITTEN))
            talk.type(text)

    def _tell_refused(self, visitor: str, refusal: TalkRefused) -> None:
        for page in self._pages.get(visitor, ()):
            page.tell({"type": "refused", "code": refusal.code, "message": refusal.message, "position": refusal.queue_position})

    def _follow(self, talk: LiveTalk) -> TalkFeed:
        feed = self._feeds[talk.session_id] = TalkFeed(talk.session_id)
        talk.conversation.observe(feed)
        if talk.task is not None:
            talk.task.add_done_callback(functools.partial(self._ended, talk))
        return feed

    def _ended(self, talk: LiveTalk, _task: object) -> None:
        self._feeds.pop(talk.session_id, None)
        self._talk_of = {visitor: session for visitor, session in self._talk_of.items() if session != talk.session_id}

    def feed(self, session_id: str) -> TalkFeed | None:
        """The feed of a running talk, None when there is none of that id. A talk that no page opened is followed from now on."""
        talk = self._live().get(session_id)
        if talk is None:
            return None
        return self._feeds.get(session_id) or self._follow(talk)

    def talk(self, visitor: str) -> LiveTalk | None:
        """The running talk of a visitor's page."""
        return self._live().get(self._talk_of.get(visitor, ""))

    def enter(self, visitor: str, page: Viewer) -> None:
        """A page is there: it is told about every talk of its visitor, the running one first."""
        self._pages.setdefault(visitor, set()).add(page)
        feed = self._feeds.get(self._talk_of.get(visitor, ""))
        if feed is not None:
            feed.watch(page)

    def leave(self, visitor: str, page: Viewer) -> None:
        """The page is gone. A written talk has nobody else, so it ends with its last page."""
        pages = self._pages.get(visitor, set())
        pages.discard(page)
        if not pages:
            self._pages.pop(visitor, None)
            talk = self.talk(visitor)
            if talk is not None and talk.request.transport == WRITTEN:
                talk.conversation.hang_up("client_lost")
        for feed in self._feeds.values():
            feed.leave(page)
