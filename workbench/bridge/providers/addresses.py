"""Which addresses a tool may fetch: hosts on the operator's list, and there only machines of the public internet.

A URL in an argument was chosen by a user, a model or a page, so it is not trusted. Its host must be on the list; the name is resolved
once, every address it has must be allowed, and the connection goes to the address that was checked: a name that points elsewhere a
moment later (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from workbench.bridge.providers.http import port_of
from workbench.bridge.tool import ToolError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to its addresses."""

HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?")
"""How the operator writes a host: `example.org`, `*.example.org` (its subdomains), `example.org:8080`, `[2001:db8::1]`."""
_NUMBER = re.compile(r"(0x[0-9a-f]*|\d+)", re.IGNORECASE)
_EMBEDS_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""NAT64 and the old IPv4-compatible addresses: the last 32 bits are an IPv4 address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """As the system resolves it. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows."""

    hosts: Sequence[str]
    """As `HOST` describes. A host without a port is allowed on 80 and 443."""
    networks: Sequence[Network] = ()
    """Addresses allowed beside public ones, such as 10.0.0.0/8."""
    resolve: Resolve = field(default=resolve)

    def check(self, text: str) -> httpx.URL:
        """The URL, when its scheme, form and host are allowed; nothing is resolved yet. Raises ToolError."""
        shown = text[:200]
        try:
            url = httpx.URL(text.strip())
        except httpx.InvalidURL:
            raise ToolError(f"{shown!r} is not an address") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ToolError(f"{shown!r} is not an http or https address")
        if url.userinfo:
            raise ToolError("an address with a user or password in it is not fetched")
        host = url.host.lower().rstrip(".")
        if not _is_address(host) and _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
            raise ToolError(f"{host[:80]!r} is a number in the place of a host name; write the name")
        if not any(_names(entry, host, port_of(url)) for entry in self.hosts):
            raise ToolError(f"{host[:80]}:{port_of(url)} is not on the list of readable hosts; the operator can add it to web.hosts")
        return url

    async def locate(self, url: httpx.URL) -> Address:
        """The one address to connect to. Raises ToolError when the host cannot be resolved, or has an address that is not allowed."""
        host = url.host.lower().rstrip(".")
        try:
            found = [host] if _is_address(host) else await self.resolve(host, port_of(url))
        except OSError:
            found = []
        if not found:
            raise ToolError(f"the host {host[:80]} cannot be found; see whether its name is right")
        addresses = [ipaddress.ip_address(address.split("%")[0]) for address in found]
        for address in addresses:
            if not self.permits(address):
                raise ToolError(f"{host[:80]} is at {address}, which is not public; the operator can add its network to web.networks")
        return addresses[0]

    def permits(self, address: Address) -> bool:
        """Whether it is public or in a network of the operator's. What an IPv6 address carries in it is judged as IPv4."""
        carried = _carried(address)
        if carried is not None:
            return self.permits(carried)
        if any(address in network for network in self.networks if network.version == address.version):
            return True
        site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _names(entry: str, host: str, port: int) -> bool:
    """Whether an entry of the list names this host and port."""
    found = re.fullmatch(r"(\[.*\]|[^:]*)(?::(\d+))?", entry.lower())
    if found is None:
        return False
    listed, listed_port = found[1].strip("[]"), found[2]
    if port not in ({int(listed_port)} if listed_port else {80, 443}):
        return False
    return host.endswith(listed[1:]) if listed.startswith("*.") else host == listed


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64 or IPv4-compatible."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if int(address) > 1 and any(address in network for network in _EMBEDS_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
