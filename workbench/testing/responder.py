"""A responder for tests: says what it was told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from workbench.engines.classic.responder import Heard, ResponderError


class ScriptedResponder:
    """Implements `Responder`: answers the n-th question with the n-th reply, a sequence of clauses; the last one repeats.

    `asked` lists the questions with the history given along, `closed_early` counts replies that were closed before their end.
    After `fail_after` clauses of every reply it raises `error`.
    """

    name = "scripted"
    why = "it is the test responder"

    def __init__(self, *replies: Sequence[str], fail_after: int | None = None, error: ResponderError | None = None) -> None:
        self.asked: list[tuple[str, list[Heard]]] = []
        self.closed_early = 0
        self._replies = replies or (("Fine.",),)
        self._fail_after = fail_after
        self._error = error or ResponderError("the test responder was told to fail; ask for fewer clauses", "Sorry, that went wrong.")

    async def respond(self, text: str, history: Sequence[Heard]) -> AsyncGenerator[str, None]:
        reply = self._replies[min(len(self.asked), len(self._replies) - 1)]
        self.asked.append((text, list(history)))
        finished = False
        try:
            for count, clause in enumerate(reply):
                if count == self._fail_after:
                    raise self._error
                yield clause
            finished = True
        except ResponderError:
            finished = True
            raise
        finally:
            self.closed_early += not finished
