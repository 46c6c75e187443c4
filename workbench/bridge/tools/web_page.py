"""What a web page says: its title and its first paragraph. Only pages on the operator's list of hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from workbench.bridge.local import Function, LocalProvider
from workbench.bridge.providers.addresses import Allowed
from workbench.bridge.providers.http import CONNECT_TIMEOUT_S, HEADERS, MAX_REDIRECTS, Answer, answer_of, read_body, usual_authorities
from workbench.bridge.providers.page_text import MAX_CHARS, page_text
from workbench.bridge.registry import Registry
from workbench.bridge.slots import vocabulary
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.bridge.words import tokens

NAME = "read_page"
_READABLE = ("text/html", "application/xhtml+xml", "text/plain")
_ACCEPT = {**HEADERS, "Accept": "text/html, text/plain;q=0.5"}
_TITLE_CHARS, _TEXT_CHARS = 200, 2_000


def register(registry: Registry, local: LocalProvider, allowed: Allowed, timeout_s: float) -> None:
    """Adds the tool to those of this process."""
    local.add(NAME, answer(allowed))
    registry.add(local, tool(allowed, timeout_s))


def tool(allowed: Allowed, timeout_s: float = 10.0) -> Tool:
    """The tool. By voice the front pages of the listed hosts can be asked for; a longer address comes typed or from a model."""
    spoken = {" ".join(tokens(host.replace(".", " dot "))): host for host in allowed.hosts if not host.startswith(("*", "["))}
    return Tool(
        NAME,
        "Read a page on the web",
        {
            "type": "object",
            "properties": {"address": {"type": "string", "description": "address of the page", "minLength": 1, "maxLength": 500}},
            "required": ["address"],
        },
        timeout_s=timeout_s,
        phrases=("read the page {address}", "read me the page {address}") if spoken else (),
        wordings=("what does {address} say", "what is on {address}", "read {address}") if spoken else (),
        slots={"address": vocabulary(spoken)} if spoken else {},
    )


def answer(allowed: Allowed, transport: httpx.AsyncBaseTransport | None = None) -> Function:
    """The function of the tool. `transport` is the seam for tests."""

    usual_authorities()  # read now, while no talk waits for its frames

    async def read_page(arguments: Mapping[str, Any]) -> ToolResult:
        asked = str(arguments["address"])
        url, got = await fetch(allowed, asked if "://" in asked else f"https://{asked}", transport)
        if got.content_type not in _READABLE:
            raise ToolError(f"{url.host} sent {got.content_type[:60] or 'something unnamed'}, which is no page of text")
        title, text = await asyncio.to_thread(_read, got)
        if not (title or text):
            raise ToolError(f"there is no text on {str(url)[:200]}; it may be drawn by a script")
        spoken = ". ".join(part.rstrip(".") for part in (title, text) if part) + "."
        return ToolResult(spoken, {"address": str(url), "title": title, "text": text})

    return read_page


async def fetch(allowed: Allowed, address: str, transport: httpx.AsyncBaseTransport | None = None) -> tuple[httpx.URL, Answer]:
    """GET of an address that was not chosen by the operator; at most `MAX_CHARS` bytes of it. Every redirect is checked like the
    address itself. Gives the last URL and its answer; raises ToolError, also for any status but 200."""
    url = allowed.check(address)
    timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(timeout=timeout, verify=usual_authorities(), transport=transport, trust_env=False) as client:
        for _hop in range(MAX_REDIRECTS + 1):
            got = await _get(client, allowed, url)
            if not (300 <= got.status < 400 and got.location):
                break
            url = allowed.check(str(url.join(got.location)))
        else:
            raise ToolError(f"{url.host} redirected more than {MAX_REDIRECTS} times")
    if got.status != 200:
        raise ToolError(f"{url.host} answered {str(url)[:200]} with HTTP {got.status}")
    return url, got


async def _get(client: httpx.AsyncClient, allowed: Allowed, url: httpx.URL) -> Answer:
    """Connects to the address that was checked, and speaks to it under the name that was asked for."""
    located = url.copy_with(host=str(await allowed.locate(url)))
    request = client.build_request(
        "GET", located, headers={**_ACCEPT, "Host": url.netloc.decode("ascii")}, extensions={"sni_hostname": url.host}
    )
    try:
        response = await client.send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ToolError(f"{url.host} sent a compressed page that was not asked for")
            content, _whole = await read_body(response, MAX_CHARS)
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise ToolError(f"{url.host} could not be read ({type(error).__name__}); see whether it is up") from None
    return answer_of(response, content)


def _read(got: Answer) -> tuple[str, str]:
    """Title and first paragraph; of plain text the first paragraph alone."""
    if got.content_type == "text/plain":
        return "", " ".join(got.text.strip().split("\n\n")[0].split())[:_TEXT_CHARS]
    page = page_text(got.text)
    return page.title[:_TITLE_CHARS], page.first[:_TEXT_CHARS]
