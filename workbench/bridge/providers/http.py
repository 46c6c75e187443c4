"""HTTP as remote providers speak it: bounded in time and size, to one address, with secrets that go there and nowhere else."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import json
import ssl
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from workbench.bridge.provider import OnProgress, ProviderUnavailable
from workbench.bridge.redact import SECRETS, Redactor
from workbench.bridge.tool import ToolError
from workbench.trace_headers import send_trace

T = TypeVar("T")

CONNECT_TIMEOUT_S = 3.0
MAX_BYTES = 256 * 1024
"""Of one answer. The longest result a card shows is far shorter."""
LATE_S = 30.0
"""How long an answer is still waited for when nobody will hear it any more; then it is at least recorded."""
MAX_REDIRECTS = 3
HEADERS = {"User-Agent": "personaplex-workbench", "Accept": "application/json, text/*;q=0.5", "Accept-Encoding": "identity"}
_QUOTED = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. Everything in it is data."""

    status: int
    body: bytes
    content_type: str = ""
    """Lower case, without parameters."""
    charset: str = "utf-8"
    retry_after_s: float | None = None
    location: str = ""
    methods: str = ""
    """`Access-Control-Allow-Methods`."""

    @property
    def text(self) -> str:
        try:
            return self.body.decode(self.charset, "replace")
        except LookupError:  # a charset that nobody knows
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError when the body is not strict JSON (NaN is none)."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def quoted(self) -> str:
        """The beginning of the body for an error message, in one line."""
        return " ".join(self.text[: 4 * _QUOTED].split())[:_QUOTED]


class HttpClient:
    """Requests to one server. No proxy, `.netrc` or other setting of the environment is used; redirects are followed only within
    that server. Headers with secrets are sent there; what the server repeats of them is blotted out of its answers."""

    def __init__(
        self,
        whom: str,
        base_url: str,
        *,
        setting: str,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
        late_s: float = LATE_S,
        ca_file: Path | None = None,
        redactor: Redactor = SECRETS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`whom`: as messages call the server ("the orchestrator"); `setting`: where its address comes from; `ca_file`: certificates
        (PEM) to trust in the place of the usual authorities. `transport` is the seam for tests. Raises ToolError for an address, a
        header or a file that cannot be used."""
        self.base = checked_base(base_url, setting)
        self.whom = f"{whom} at {self.base.host}:{port_of(self.base)}"
        """For messages: without path, user and password."""
        self.late_s = late_s
        self._setting = setting
        self._headers = dict(headers or {})
        for name, value in self._headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ToolError(f"the secret for the header {name} of {whom} holds characters that no header can carry; copy it again")
        redactor.learn(*self._headers.values())
        self._redactor = redactor
        self._verify = trusting(ca_file)
        self._max_bytes = max_bytes
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"HttpClient({self.whom})"

    async def close(self) -> None:
        """Gives the connections back; a later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        within_s: float,
        on_progress: OnProgress,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request that does work which cannot be called back: cancelled, it is waited for up to `late_s` more. "Too many requests"
        is waited out when the time that the server names fits into `within_s`. Raises ToolError; ProviderUnavailable where asking again
        later can help."""
        due_s = time.monotonic() + within_s
        while True:
            left_s = max(0.0, due_s - time.monotonic())
            sent = self.send(method, path, timeout_s=left_s + self.late_s, body=body, headers=headers)
            answer = await to_its_end(sent, self.late_s)
            if answer.status != 429:
                return answer
            wait_s = answer.retry_after_s
            if wait_s is None:
                raise ProviderUnavailable(
                    f"{self.whom} takes no more requests for now (HTTP 429) and does not say until when; try again later"
                )
            if wait_s >= due_s - time.monotonic() or called_off():
                raise ProviderUnavailable(
                    f"{self.whom} takes no more requests for now (HTTP 429); come back in {wait_s:.0f} s", retry_after_s=wait_s
                )
            on_progress(None, f"{self.whom} is busy; asking again in {wait_s:.0f} s")
            await asyncio.sleep(wait_s)

    async def send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, its answer whatever the status. `path` is appended to the base address. Raises ToolError, and
        ProviderUnavailable where the server is not there."""
        url = httpx.URL(str(self.base) + path)
        try:
            async with asyncio.timeout(timeout_s):
                for _hop in range(MAX_REDIRECTS + 1):
                    answer = await self._once(method, url, body, headers or {})
                    if not (300 <= answer.status < 400 and answer.location):
                        return answer
                    url = self._redirected(method, url, answer)
        except TimeoutError:
            raise ProviderUnavailable(
                f"{self.whom} gave no answer within {round(timeout_s, 1):g} s; see whether it is overloaded"
            ) from None
        except httpx.ConnectTimeout:
            raise ProviderUnavailable(f"{self.whom} did not take the connection within {CONNECT_TIMEOUT_S:g} s; {self._mend}") from None
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ToolError(f"{self.whom} shows a certificate that is not trusted; name the file of its authority as ca_file") from None
            raise ProviderUnavailable(f"{self.whom} is not reachable; {self._mend}") from None
        except httpx.HTTPError as error:
            raise ProviderUnavailable(f"{self.whom} broke off the answer ({type(error).__name__}); look at its log") from None
        raise ToolError(f"{self.whom} redirected more than {MAX_REDIRECTS} times; correct {self._setting}")

    @property
    def _mend(self) -> str:
        return f"start it, or correct {self._setting}"

    async def _once(self, method: str, url: httpx.URL, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        if self._client is None:
            timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
            self._client = httpx.AsyncClient(timeout=timeout, verify=self._verify, transport=self._transport, trust_env=False)
        sent = {**HEADERS, **self._headers, **headers}
        send_trace(sent)
        async with self._client.stream(method, url, json=body, headers=sent) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ToolError(f"{self.whom} sent a compressed answer that was not asked for; turn compression off there")
            content, whole = await read_body(response, self._max_bytes)
        if not whole:
            raise ToolError(f"{self.whom} answered with more than {self._max_bytes} bytes; raise limits.answer_bytes if that is meant")
        # Secrets are ASCII; any other byte is kept as it is.
        return answer_of(response, self._redactor.known(content.decode("latin-1")).encode("latin-1"))

    def _redirected(self, method: str, url: httpx.URL, answer: Answer) -> httpx.URL:
        target = url.join(answer.location)
        if (target.scheme, target.host, port_of(target)) != (self.base.scheme, self.base.host, port_of(self.base)):
            raise ToolError(f"{self.whom} redirected to another server ({target.host[:80]}); correct {self._setting}")
        if method != "GET" and answer.status not in (307, 308):
            raise ToolError(f"{self.whom} answered a {method} with a redirect (HTTP {answer.status}); correct {self._setting}")
        return target


def checked_base(url: str, setting: str) -> httpx.URL:
    """The address of a server that the operator named, without a slash at its end. Raises ToolError."""
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise ToolError(f"{setting} is not an address: {error}") from None
    # The address is not repeated: whoever wrote a password into it should not find it in a log.
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ToolError(f"{setting} must begin with http:// or https:// and name a host, such as http://127.0.0.1:8001")
    if parsed.userinfo:
        raise ToolError(f"{setting} must hold no user or password; put the secret into an environment variable and name it in the file")
    if parsed.query or parsed.fragment:
        raise ToolError(f"{setting} must end before '?' and '#'")
    return parsed


@functools.cache
def usual_authorities() -> ssl.SSLContext:
    """The certificates that are trusted where no file is named. Reading them takes 25 ms of CPU (100 ms on a busy machine) of whichever
    event loop does it, so it is done once, when a client is made, and not at its first request, when talks wait for their frames."""
    return httpx.create_ssl_context(trust_env=False)


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Whose certificates are trusted: those of a file, else the usual ones. Raises ToolError for a file that cannot be used."""
    if ca_file is None:
        return usual_authorities()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ToolError(f"ca_file {str(ca_file)!r} holds no certificates that can be read ({error}); name a file in PEM form") from None


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def read_body(response: httpx.Response, max_bytes: int) -> tuple[bytes, bool]:
    """At most `max_bytes` of the body, which must not be compressed, and whether that is all of it."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            return bytes(content[:max_bytes]), False
    return bytes(content), True


def answer_of(response: httpx.Response, content: bytes) -> Answer:
    """The parts of an answer that providers look at."""
    return Answer(
        status=response.status_code,
        body=content,
        content_type=response.headers.get("content-type", "").split(";")[0].strip().lower(),
        charset=response.charset_encoding or "utf-8",
        retry_after_s=read_retry_after(response.headers.get("retry-after"), time.time()),
        location=response.headers.get("location", ""),
        methods=response.headers.get("access-control-allow-methods", ""),
    )


def read_retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds from `now_s` (Unix time) that a `Retry-After` header names, as a number or as a date; None when it names none."""
    if value is None:
        return None
    if value.strip().isdecimal() and value.isascii():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


async def to_its_end(work: Coroutine[Any, Any, T], late_s: float) -> T:
    """`work`'s result. The first cancellation is kept from it, and it gets `late_s` more seconds; a second one ends it. What goes
    wrong with it after a cancellation interests nobody any more, and the cancellation is what comes of it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=late_s)
        finally:
            task.cancel()
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        raise


def called_off() -> bool:
    """Whether somebody asked the running task to stop, also when that was kept from its work."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
