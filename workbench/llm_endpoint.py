"""An OpenAI-compatible chat endpoint: the pieces of a completion as the server writes them, or the function it chooses to call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

CONNECT_TIMEOUT_S = 3.0
FIRST_PIECE_TIMEOUT_S = 8.0
"""From sending the request to the first words; a listener has long given up by then."""
PIECE_TIMEOUT_S = 5.0
"""Between two pieces."""
MAX_TOKENS = 200
"""About 40 s of speech."""
MAX_CHARS = 2_000
"""A server that does not keep to `MAX_TOKENS` is cut off here."""

_NOT_CHAT = "See that WORKBENCH_LLM_BASE_URL is an OpenAI-compatible chat endpoint, and look at its log."
_REFUSALS = {
    401: ("refused the key", "Check WORKBENCH_LLM_API_KEY."),
    403: ("refused the key", "Check that WORKBENCH_LLM_API_KEY may use this model."),
    404: ("does not know this address or model", "Check WORKBENCH_LLM_BASE_URL (it usually ends in /v1) and WORKBENCH_LLM_MODEL."),
    429: ("has reached its limit", "Wait a while, or look at the quota of the account."),
}

MAX_ANSWER_BYTES = 262_144
"""Of an answer that is not streamed."""


class EndpointError(Exception):
    """The endpoint did not answer as it should. The message names what was wrong and how to mend it, and holds no key."""

    def __init__(self, message: str, *, part_given: bool = False) -> None:
        super().__init__(message)
        self.part_given = part_given
        """A part of the answer was given before."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The function that a model wants called. It is a wish: name and arguments are unchecked."""

    name: str
    arguments: Mapping[str, Any]


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

    async def stream(self, messages: Sequence[Mapping[str, str]], *, temperature: float | None = None) -> AsyncGenerator[str, None]:
        """The pieces of the reply's text. `temperature` None is the server's own. Raises EndpointError."""
        body: dict[str, Any] = {"model": self.model, "messages": list(messages), "stream": True, "max_tokens": MAX_TOKENS}
        if temperature is not None:
            body["temperature"] = temperature
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

    async def choose(
        self, messages: Sequence[Mapping[str, str]], functions: Sequence[Mapping[str, Any]], timeout_s: float
    ) -> FunctionCall | None:
        """The first function (of those described as the API's `function` objects) that the model calls; None when it calls none. Raises
        EndpointError, also when nothing came within `timeout_s` seconds of wall time."""
        body = {
            "model": self.model,
            "messages": list(messages),
            "tools": [{"type": "function", "function": function} for function in functions],
            "tool_choice": "auto",
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "stream": False,
        }
        try:
            async with asyncio.timeout(timeout_s):
                return self._read_call(await self._whole(body))
        except TimeoutError:
            raise self._error(f"gave nothing for {timeout_s:g} s", "See whether the server is overloaded.") from None
        except httpx.ConnectError:
            raise self._error("is not reachable", "Start it, or correct WORKBENCH_LLM_BASE_URL.") from None
        except httpx.HTTPError as error:
            raise self._error(f"broke off the answer ({type(error).__name__})", "Look at the server's log.") from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _pieces(self, body: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        async with self._client.stream("POST", self._url, json=body) as response:
            self._check_status(response)
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

    async def _whole(self, body: Mapping[str, Any]) -> bytes:
        async with self._client.stream("POST", self._url, json=body) as response:
            self._check_status(response)
            answer = b""
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise self._error(f"answered with more than {MAX_ANSWER_BYTES} bytes", _NOT_CHAT)
            return answer

    def _check_status(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            fault, mend = _REFUSALS.get(response.status_code, ("answered with an error", "Look at the server's log."))
            raise self._error(f"{fault} (HTTP {response.status_code})", mend)

    def _read_call(self, answer: bytes) -> FunctionCall | None:
        try:
            calls = json.loads(answer)["choices"][0]["message"].get("tool_calls") or []
            if not calls:
                return None
            function = calls[0]["function"]
            name, arguments = function["name"], json.loads(function.get("arguments") or "{}")
            if not isinstance(name, str) or not isinstance(arguments, dict):
                raise TypeError(function)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            # The answer is not quoted: an error report of a server may repeat the key.
            raise self._error("sent something that is no choice of a function", _NOT_CHAT) from None
        return FunctionCall(name, arguments)

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
            raise self._error("sent something that is not a piece of an answer", _NOT_CHAT, given) from None

    def _error(self, fault: str, mend: str, given: int = 0) -> EndpointError:
        return EndpointError(f"The language model at {self.host} {fault}. {mend}", part_given=given > 0)


async def _events(lines: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """The data of server-sent events; comments and other fields are skipped. Servers of this kind write one line per event."""
    async for line in lines:
        if line.startswith("data:"):
            yield line[len("data:") :].strip()
