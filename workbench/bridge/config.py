"""The tools' configuration: one TOML file and a few variables of the environment, made into the providers that carry tools out.

Secrets are never in the file: it names the environment variables that hold them. `workbench.example.toml` describes every key.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import TypeAdapter, ValidationError

from workbench.bridge.config_faults import ConfigError, fault_of, secret_fault
from workbench.bridge.config_tables import DEFAULT_LIMITS, EVERYTHING_ALLOWED, AccessRules, File, Limits, Mas, N8n, Web
from workbench.bridge.declared import declared_tool
from workbench.bridge.provider import RemoteProvider
from workbench.bridge.providers.http import checked_base
from workbench.bridge.providers.mas import TOKEN_VARIABLES, MasProvider
from workbench.bridge.providers.mcp_server import McpServer
from workbench.bridge.providers.n8n import DEFAULT_PATH, PROVIDER, N8nProvider, Webhook, default_webhook
from workbench.bridge.tool import ToolError

FILE = Path("workbench.toml")
"""Taken from the working directory where no other is named."""
MAS_VARIABLES = ("MAS_ORCHESTRATOR_URL", "MAS_API_URL")
N8N_VARIABLES = ("N8N_WEBHOOK_URL", "N8N_URL")

_Place = TypeVar("_Place", Mas, N8n)


@dataclass(frozen=True, slots=True)
class ToolsConfig:
    """What is configured. Made by `load`, so every address has its place and every secret is there."""

    where: str = "the environment"
    """The file, for messages."""
    mas: Mas | None = None
    n8n: N8n | None = None
    webhooks: Sequence[Webhook] = ()
    mcp: Sequence[McpServer] = ()
    web: Web | None = None
    limits: Limits = DEFAULT_LIMITS
    access: AccessRules = EVERYTHING_ALLOWED
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where the secrets are looked up by name."""


NO_TOOLS = ToolsConfig()
"""Only the tools of this process."""


def environment(folder: Path = Path()) -> Mapping[str, str]:
    """The process's variables, and beneath them those of `.env`, as `workbench.settings` reads it."""
    stored = {name: value for name, value in dotenv_values(folder / ".env").items() if value is not None}
    return {**stored, **os.environ}


def load(path: Path | None, environ: Mapping[str, str]) -> ToolsConfig:
    """The configuration of `path`; None = `workbench.toml` where there is one. MAS_ORCHESTRATOR_URL and N8N_WEBHOOK_URL switch these
    on without a file, and win over it. Raises ConfigError that names the file, the table, the key and the mend."""
    where, tables = _read(path)
    try:
        file = File.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(f"{where}: {fault_of(error, tables, File)}") from None
    mas = _placed(file.mas, Mas, "mas", MAS_VARIABLES, environ, where)
    n8n = _placed(file.n8n, N8n, "n8n", N8N_VARIABLES, environ, where)
    config = ToolsConfig(
        where,
        mas,
        n8n,
        tuple(_webhook(table, index, where) for index, table in enumerate(n8n.tool, 1)) if n8n else (),
        tuple(_mcp_server(table, index, where) for index, table in enumerate(file.mcp, 1)),
        file.web,
        file.limits,
        file.access,
        environ,
    )
    _check_secrets(config)
    return config


def providers(config: ToolsConfig) -> list[RemoteProvider]:
    """The remote providers, not yet opened; needs a running loop. Raises ConfigError for an address or a secret that cannot be used."""
    found: list[RemoteProvider] = []
    try:
        if config.mas is not None:
            found.append(_mas(config, config.mas))
        if config.n8n is not None:
            found.append(_n8n(config, config.n8n))
        if config.mcp:
            # The SDK takes a second to import, which nobody pays who has no such server.
            from workbench.bridge.providers.mcp import McpProvider

            found += [McpProvider(server, environment=config.environ) for server in config.mcp]
    except ToolError as error:
        raise ConfigError(f"{config.where}: {error}") from error
    return found


def _mas(config: ToolsConfig, mas: Mas) -> MasProvider:
    names = [mas.token_env] if mas.token_env else TOKEN_VARIABLES
    return MasProvider(
        mas.url or "",
        token=next((config.environ[name] for name in names if config.environ.get(name)), None),
        timeout_s=mas.timeout_s,
        tier=mas.tier,
        catches=mas.catches,
        use_agents=mas.agents,
        max_bytes=config.limits.answer_bytes,
        late_s=mas.late_s,
        ca_file=_path(mas.ca_file),
    )


def _n8n(config: ToolsConfig, n8n: N8n) -> N8nProvider:
    return N8nProvider(
        n8n.url or "",
        config.webhooks or [default_webhook(n8n.timeout_s)],
        header=(n8n.header, config.environ[n8n.token_env]) if n8n.header and n8n.token_env else None,
        actor=n8n.actor,
        max_bytes=config.limits.answer_bytes,
        late_s=n8n.late_s,
        ca_file=_path(n8n.ca_file),
    )


def _path(name: str | None) -> Path | None:
    return Path(name).expanduser() if name else None


def _read(path: Path | None) -> tuple[str, dict[str, Any]]:
    if path is None and not FILE.is_file():
        return "the environment", {}
    file = path or FILE
    try:
        return str(file), tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: this is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); correct WORKBENCH_TOOLS_FILE or --tools-file") from None


def _placed(
    table: _Place | None, kind: type[_Place], name: str, variables: Sequence[str], environ: Mapping[str, str], where: str
) -> _Place | None:
    """The table with its address: that of the environment, else that of the file. None when neither speaks of it."""
    given = next((environ[variable] for variable in variables if environ.get(variable)), None)
    if given is not None:
        table = (table or kind()).model_copy(update={"url": given})
    if table is None:
        return None
    if not table.url:
        raise ConfigError(f"{where}: [{name}] url: it is missing; write it there, or set {variables[0]}")
    try:
        checked_base(table.url, f"{variables[0]} or {name}.url")
    except ToolError as error:
        raise ConfigError(f"{where}: {error}") from error
    return table


def _webhook(table: Mapping[str, Any], index: int, where: str) -> Webhook:
    at = f"{where}: [[n8n.tool]] {index}"
    if (fault := secret_fault(table)) is not None:
        raise ConfigError(f"{at} {fault}")
    own = {key: table[key] for key in ("path", "action") if key in table}
    for key, value in own.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{at} {key}: must be a text, such as {DEFAULT_PATH!r}")
    try:
        tool = declared_tool({key: value for key, value in table.items() if key not in own}, PROVIDER)
        return Webhook(tool, **own)
    except ToolError as error:
        raise ConfigError(f"{at}: {error}") from error


def _mcp_server(table: Mapping[str, Any], index: int, where: str) -> McpServer:
    at = f"{where}: [[mcp]] {index}"
    if (fault := secret_fault(table)) is not None:
        raise ConfigError(f"{at} {fault}")
    known = [entry.name for entry in dataclasses.fields(McpServer)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigError(f"{at} {unknown[0]}: no such key; known are {', '.join(known)}")
    try:
        return TypeAdapter(McpServer).validate_python(dict(table))
    except ValidationError as error:
        raise ConfigError(f"{at} {fault_of(error, table)}") from None
    except ToolError as error:
        raise ConfigError(f"{at}: {error}") from error


def _check_secrets(config: ToolsConfig) -> None:
    """A secret that is named but not there is told at the start, not by the first refused call."""
    for name, table in (("mas", config.mas), ("n8n", config.n8n)):
        variable = table.token_env if table is not None else None
        if variable is not None and not config.environ.get(variable):
            raise ConfigError(
                f"{config.where}: [{name}] token_env: the environment variable {variable} is not set; set it, or take the key out"
            )
    n8n = config.n8n
    if n8n is not None and bool(n8n.header) != bool(n8n.token_env):
        missing = "token_env" if n8n.header else "header"
        raise ConfigError(f"{config.where}: [n8n] {missing}: header and token_env belong together (header authentication); write both")
