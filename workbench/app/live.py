"""Who watches which talk: viewers of a session, and pages with a visitor in front of them."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping

from workbench.app.feed import TalkFeed, Viewer
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.sessions import LiveTalk

OpenTalk = Callable[[TalkRequest], Awaitable[LiveTalk]]
"""Opens a talk, or raises TalkRefused."""


class LiveHub:
    """A page gives its talks its own visitor id as the conversation id; so the hub knows whose page a talk belongs to."""

    def __init__(self, open_talk: OpenTalk, live: Callable[[], Mapping[str, LiveTalk]]) -> None:
        """`live`: the running talks by session id."""
        self._open_talk = open_talk
        self._live = live
        self._feeds: dict[str, TalkFeed] = {}
        self._pages: dict[str, set[Viewer]] = {}
        self._talk_of: dict[str, str] = {}

    async def open(self, request: TalkRequest) -> LiveTalk:
        """An `Opener` that follows the talk from its start and tells the visitor's pages, also why there is none.

        Raises TalkRefused.
        """
        visitor = request.conversation_id or ""
        pages = self._pages.get(visitor, set())
        try:
            talk = await self._open_talk(request)
        except TalkRefused as refusal:
            for page in pages:
                page.tell({"type": "refused", "code": refusal.code, "message": refusal.message, "position": refusal.queue_position})
            raise
        feed = self._follow(talk)
        self._talk_of[visitor] = talk.session_id
        for page in pages:
            feed.watch(page)
        return talk

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
        """The page is gone."""
        pages = self._pages.get(visitor, set())
        pages.discard(page)
        if not pages:
            self._pages.pop(visitor, None)
        for feed in self._feeds.values():
            feed.leave(page)
