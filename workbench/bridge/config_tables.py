"""The tables of the tools' configuration file, key by key; `workbench.example.toml` describes them."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from workbench.bridge.access import EVERYONE, Access, AccessTable
from workbench.bridge.providers.addresses import HOST, Allowed
from workbench.bridge.providers.http import LATE_S, MAX_BYTES
from workbench.bridge.providers.n8n import DEFAULT_ACTOR
from workbench.events import Tier

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
"""The name of an environment variable."""
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Seconds = Annotated[float, Field(gt=0, le=600)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Mas(_Table):
    """`[mas]`: the orchestrator."""

    url: str | None = None
    token_env: Variable | None = None
    timeout_s: Seconds = 20.0
    late_s: Seconds = LATE_S
    ca_file: str | None = None
    tier: Tier = "write"
    catches: bool = True
    agents: bool = True


class N8n(_Table):
    """`[n8n]` with its `[[n8n.tool]]`."""

    url: str | None = None
    header: Header | None = None
    token_env: Variable | None = None
    actor: str = Field(default=DEFAULT_ACTOR, min_length=1, max_length=100)
    timeout_s: Seconds = 20.0
    late_s: Seconds = LATE_S
    ca_file: str | None = None
    tool: list[dict[str, Any]] = []


class Web(_Table):
    """`[web]`: pages that may be read."""

    hosts: list[str] = Field(min_length=1)
    networks: list[str] = []
    timeout_s: Seconds = 10.0

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if HOST.fullmatch(host.lower()) is None:
                raise ValueError(f"{host!r} is not a host: write example.org, *.example.org or example.org:8080")
        return hosts

    @field_validator("networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @property
    def allowed(self) -> Allowed:
        return Allowed(tuple(self.hosts), tuple(ipaddress.ip_network(network) for network in self.networks))


class Limits(_Table):
    """`[limits]`: what all providers are held to."""

    concurrency: int = Field(default=4, ge=1, le=256)
    """Calls at once to one provider; more wait."""
    breaker_failures: int = Field(default=5, ge=1, le=100)
    """Failures in a row after which a provider is left alone."""
    breaker_cooldown_s: Seconds = 15.0
    """Until it is tried again with one call."""
    answer_bytes: int = Field(default=MAX_BYTES, ge=1_024, le=16 * 1024 * 1024)
    """Of an answer over HTTP; a longer one is not read."""
    result_bytes: int = Field(default=64 * 1024, ge=1_024, le=16 * 1024 * 1024)
    """Of a result; the rest is cut off."""


DEFAULT_LIMITS = Limits()


Patterns = list[Annotated[str, StringConstraints(min_length=1, max_length=100)]]


class UserRule(_Table):
    """`[access.users."name"]`: see `workbench.bridge.access`."""

    allowed: Patterns = ["*"]
    denied: Patterns = []


class PersonaRule(_Table):
    """`[access.personas.id]`: beside the tools that the persona's own file names."""

    denied: Patterns = []


class AccessRules(_Table):
    """`[access]`: who may have which tools used."""

    users: dict[str, UserRule] = {}
    personas: dict[str, PersonaRule] = {}

    def table(self, persona_id: str) -> AccessTable:
        """The rules for talks with a persona, by user."""
        users = {EVERYONE: UserRule(), **self.users}
        denied = self.personas.get(persona_id, PersonaRule()).denied
        return {user: Access(tuple(rule.allowed), (*rule.denied, *denied)) for user, rule in users.items()}


EVERYTHING_ALLOWED = AccessRules()


class File(_Table):
    """The whole file; entries of `[[mcp]]` are read one by one, so that a fault names its entry."""

    mas: Mas | None = None
    n8n: N8n | None = None
    mcp: list[dict[str, Any]] = []
    web: Web | None = None
    limits: Limits = DEFAULT_LIMITS
    access: AccessRules = EVERYTHING_ALLOWED
