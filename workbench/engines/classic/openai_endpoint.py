"""An OpenAI-compatible chat endpoint, streamed: the pieces of a completion as the server writes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from workbench.engines.classic.responder import ResponderError

CONNECT_TIMEOUT_S = 3.0
FIRST_PIECE_TIMEOUT_S = 8.0
"""From sending the request to the first words; a listener has long given up by then."""
PIECE_TIMEOUT_S = 5.0
"""Between two pieces."""
MAX_TOKENS = 200
"""About 40 s of speech."""
MAX_CHARS = 2_000
"""A server that does not keep to `MAX_TOKENS` is cut off here."""

_REFUSALS = {
    401: ("refused the key", "Check WORKBENCH_LLM_API_KEY."),
    403: ("refused the key", "Check that WORKBENCH_LLM_API_KEY may use this model."),
    404: ("does not know this address or model", "Check WORKBENCH_LLM_BASE_URL (it usually ends in /v1) and WORKBENCH_LLM_MODEL."),
    429: ("has reached its limit", "Wait a while, or look at the quota of the account."),
}
_UNREACHABLE = "I am sorry, I cannot reach my language model at the moment."
_BROKEN = "I am sorry, I lost the rest of that thought."


class OpenAiEndpoint:
    """One server and model, shared by all talks. The key is sent to that server and appears nowhere else: not in a message, not in
    `repr`. Timeouts are wall time in seconds."""

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        first_piece_timeout_s: float = FIRST_PIECE_TIMEOUT_S,
        piece_timeout_s: float = PIECE_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises ValueError for an address that is not http(s) or a key that cannot be sent. `transport` is the seam for tests."""
        url = httpx.URL(base_url.rstrip("/") + "/chat/completions")
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("The address of the language model must be http:// or https://, for example http://127.0.0.1:11434/v1.")
        if url.userinfo:
            raise ValueError("The address of the language model must hold no user or password; put the key in WORKBENCH_LLM_API_KEY.")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("The key of the language model holds characters that no key has; copy it again (WORKBENCH_LLM_API_KEY).")
        self.model = model
        self.host = url.host
        """For messages: without port, path, user and password."""
        self._url = url
        self._first_piece_timeout_s = first_piece_timeout_s
        self._piece_timeout_s = piece_timeout_s
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, transport=transport)

    def __repr__(self) -> str:
        return f"OpenAiEndpoint(host={self.host!r}, model={self.model!r})"

    async def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncGenerator[str, None]:
        """The pieces of the reply's text. Raises ResponderError; its apology says whether a part of the reply was given before."""
        body = {"model": self.model, "messages": list(messages), "stream": True, "max_tokens": MAX_TOKENS}
        given = 0
        try:
            async with aclosing(self._pieces(body)) as pieces:
                while True:
                    # Within the timeout only the wait for the server: what the caller does with a piece is its own time.
                    async with asyncio.timeout(self._piece_timeout_s if given else self._first_piece_timeout_s):
                        piece = await anext(pieces, None)
                    if piece is None or given >= MAX_CHARS:
                        return
                    given += len(piece)
                    yield piece
        except TimeoutError:
            waited = self._piece_timeout_s if given else self._first_piece_timeout_s
            raise self._error(f"gave nothing for {waited:g} s", "See whether the server is overloaded.", given) from None
        except httpx.ConnectError:
            raise self._error("is not reachable", "Start it, or correct WORKBENCH_LLM_BASE_URL.", given) from None
        except httpx.HTTPError as error:
            raise self._error(f"broke off the answer ({type(error).__name__})", "Look at the server's log.", given) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _pieces(self, body: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        async with self._client.stream("POST", self._url, json=body) as response:
            if response.status_code != 200:
                fault, mend = _REFUSALS.get(response.status_code, ("answered with an error", "Look at the server's log."))
                raise self._error(f"{fault} (HTTP {response.status_code})", mend)
            given = 0
            async for data in _events(response.aiter_lines()):
                if data == "[DONE]":
                    return
                piece, finished = self._read(data, given)
                given += len(piece)
                if piece:
                    yield piece
                if finished:
                    return
            raise self._error("ended the answer without its end mark", "Look at the server's log.", given)

    def _read(self, data: str, given: int) -> tuple[str, bool]:
        """The text of one event, and whether it is the last."""
        try:
            event = json.loads(data)
            choices = event["choices"]
            if not choices:  # a report of usage
                return "", False
            piece = choices[0]["delta"].get("content") or ""
            if not isinstance(piece, str):
                raise TypeError(piece)
            return piece, choices[0].get("finish_reason") is not None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            # The event is not quoted: an error report of a server may repeat the key.
            mend = "See that WORKBENCH_LLM_BASE_URL is an OpenAI-compatible chat endpoint, and look at its log."
            raise self._error("sent something that is not a piece of an answer", mend, given) from None

    def _error(self, fault: str, mend: str, given: int = 0) -> ResponderError:
        return ResponderError(f"The language model at {self.host} {fault}. {mend}", _BROKEN if given else _UNREACHABLE)


async def _events(lines: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """The data of server-sent events; comments and other fields are skipped. Servers of this kind write one line per event."""
    async for line in lines:
        if line.startswith("data:"):
            yield line[len("data:") :].strip()
