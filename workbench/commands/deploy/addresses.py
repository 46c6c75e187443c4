"""Addresses and names on their way into a configuration file: what is not plainly one is refused, so that nothing else gets in."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from workbench.commands.common import CommandError

MAX_SLOTS = 1_024
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9._/+@-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_address(text: str, option: str) -> Address:
    """`host:port`, an IPv6 address in brackets. Raises CommandError."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else ""
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise CommandError(f"{option} {text[:80]!r} has no port from 1 to 65535; write host:port, such as 10.0.0.5:8998")
    if bare and _is_ipv6(bare):
        return Address(bare, int(port))
    if not _HOST.fullmatch(host):
        raise CommandError(f"{option} {text[:80]!r} has no host name or address before its port; write host:port, such as 10.0.0.5:8998")
    return Address(host, int(port))


def parse_gateway(text: str) -> tuple[Address, int | None]:
    """`host:port` or `host:port=SLOTS`. Raises CommandError."""
    address, equals, slots = text.partition("=")
    if not equals:
        return parse_address(text, "--gateway"), None
    if not (slots.isascii() and slots.isdigit() and len(slots) <= 4 and 1 <= int(slots) <= MAX_SLOTS):
        raise CommandError(f"--gateway {text[:80]!r}: slots are a number from 1 to {MAX_SLOTS}, as its --slots")
    return parse_address(address, "--gateway"), int(slots)


def check_variable(name: str) -> str:
    """The name of an environment variable. Raises CommandError; a token itself, given by mistake, is not repeated."""
    if not _VARIABLE.fullmatch(name):
        raise CommandError("--token-env takes the name of an environment variable, such as PERSONAPLEX_TOKEN, never the token itself")
    return name


def check_path(path: Path, option: str) -> Path:
    """The path, made absolute. Raises CommandError for one with signs that mean something in a configuration."""
    whole = path.expanduser().absolute()
    if not _PATH.fullmatch(str(whole)):
        raise CommandError(f"{option} {str(whole)[:80]!r}: use a path of letters, digits and . _ / + @ - only")
    return whole


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6 and "%" not in text
    except ValueError:
        return False
