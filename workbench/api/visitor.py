"""Who asks: the address that requests and talks are counted under."""

from __future__ import annotations

import ipaddress
import logging
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from workbench.transports.origin import is_loopback

log = logging.getLogger(__name__)

IPV6_PREFIX = 64
"""One customer has at least so large a network, and every address in it."""
FORWARDED = ("x-forwarded-for", "forwarded", "cf-connecting-ip")


@dataclass(frozen=True, slots=True)
class Visitor:
    """`counted`: the address, or the IPv6 network, that shares one allowance. `local`: a program or a page of this machine, with no
    proxy between."""

    counted: str
    local: bool


VISITOR: ContextVar[Visitor | None] = ContextVar("visitor", default=None)
"""Of the request that is being answered, and of whatever was started for it; None in work of the server's own."""


def counted(host: str) -> str:
    """The name that an address is counted under. What is no address (a Unix socket) is counted under its own name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64] or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


class Visitors:
    """Tells who asks. `behind_proxies`: trusted proxies are set, so what they forward was taken over before."""

    def __init__(self, *, behind_proxies: bool) -> None:
        self._warned = behind_proxies

    def of(self, scope: Scope) -> Visitor:
        """A request that some proxy forwarded is never local, whatever the proxy's own address: all the world may be behind it."""
        client = scope.get("client")
        host: str = client[0] if client else ""
        forwarded = any(name in Headers(scope=scope) for name in FORWARDED)
        if forwarded and not self._warned:
            self._warned = True
            log.warning(
                "requests come through a proxy at %s that is not trusted: everybody behind it counts as one visitor. "
                "Set WORKBENCH_TRUSTED_PROXIES=%s if the proxy is yours.",
                host,
                host,
            )
        return Visitor(counted(host), is_loopback(host) and not forwarded)
