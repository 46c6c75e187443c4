"""`python -m deploy.env_example > deploy/.env.example`: every variable that anything here reads, out of the code that reads it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from workbench import settings as settings_module
from workbench.bridge.config import MAS_VARIABLES, N8N_VARIABLES
from workbench.bridge.providers.mas import TOKEN_VARIABLES
from workbench.commands.gateway import gateway
from workbench.settings import Settings

COMPOSE = Path(__file__).with_name("compose.yaml")
WIDTH = 120
REQUIRED = {
    "WORKBENCH_PASSWORD": "Asked for before every page but /health.",
    "POSTGRES_PASSWORD": "Of the database; letters and digits, for it becomes part of an address.",
    "PERSONAPLEX_TOKEN": "Between workbench and gateway.",
    "WORKBENCH_TURN_PASSWORD": "Of the TURN server: coturn's here (profile turn), or another one's.",
}
"""Compose starts nothing without them, and there is no default that somebody could guess."""
COMPOSE_ONLY = {
    "DEPLOY_LISTEN": ("127.0.0.1:7860", "Address and port of this machine that lead to the workbench."),
    "DEPLOY_CHECKPOINT": ("nvidia/personaplex-7b-v1", "What the gateway serves: a repository of the Hub."),
    "DEPLOY_SLOTS": ("1", "Talks at once on the gateway; `workbench doctor --only gpu` says how many have room."),
    "DEPLOY_GATEWAY_OPTIONS": ("", "More flags of `workbench gateway`, such as --weights int8."),
    "DEPLOY_DOMAIN": ("localhost", "Name that Caddy serves (profile tls), and coturn's realm (profile turn)."),
    "DEPLOY_TUNNEL_CREDENTIALS": ("./tunnel.json", "Credentials file of the Cloudflare tunnel (profile tunnel)."),
    "DEPLOY_TURN_OPTIONS": ("", "More flags of coturn, such as --external-ip=PUBLIC/PRIVATE behind NAT."),
    "DEPLOY_NETWORK": ("172.29.7", "First three numbers of the containers' own network."),
}
"""Read by `compose.yaml` alone, with its default there."""
TOOLS = {
    MAS_VARIABLES[0]: "Address of a MAS orchestrator, such as http://host.docker.internal:8001.",
    TOKEN_VARIABLES[0]: "Its token, where it wants one.",
    N8N_VARIABLES[0]: "Address of n8n, http://n8n:5678 with the profile n8n.",
}


def made() -> str:
    """The whole file."""
    parts = [
        *_told(
            "Made by `python -m deploy.env_example > deploy/.env.example`; do not edit it here. Copy it to deploy/.env, give the first "
            "ones a value (README.md, Deploy, has the line that makes them), and take the # from what you want to be different."
        ),
        "",
        "# --- Must be set",
    ]
    for name, told in REQUIRED.items():
        parts += [*_told(told), f"{name}="]
    parts += ["", "# --- compose.yaml"]
    for name, (default, told) in COMPOSE_ONLY.items():
        parts += [*_told(told), f"# {name}={default}"]
    fixed = fixed_by_compose()
    for section, fields in sections().items():
        parts += ["", f"# --- {section}"]
        for name, told in fields.items():
            variable = _variable(name)
            if variable not in REQUIRED:
                own = " compose.yaml sets it itself." if variable in fixed else ""
                parts += [*_told(f"{told}{own}".strip()), f"# {variable}={_default(name)}"]
    parts += ["", "# --- Tools, beside what workbench.toml names"]
    for name, told in TOOLS.items():
        parts += [*_told(told), f"# {name}="]
    parts += ["", "# --- workbench gateway, where it is started by hand"]
    for name, told in gateway_variables().items():
        parts += [*_told(told), f"# {name}="]
    return "\n".join(parts) + "\n"


def sections() -> Mapping[str, Mapping[str, str]]:
    """The fields of the settings under the headings that stand over them, with what is said of each."""
    source = inspect.getsource(Settings)
    headings = {number: line.strip(" #") for number, line in enumerate(source.splitlines(), 1) if re.match(r" {4}# \S", line)}
    found: dict[str, dict[str, str]] = {}
    (made_class,) = (node for node in ast.parse(textwrap.dedent(source)).body if isinstance(node, ast.ClassDef))
    before: str | None = None
    for node in made_class.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if name in Settings.model_fields:
                heading = [text for number, text in headings.items() if number < node.lineno][-1]
                found.setdefault(heading, {})[name] = ""
                before = name
            case ast.Expr(value=ast.Constant(value=str(told))) if before is not None:
                found[heading][before] = " ".join(told.split())
            case _:
                before = None
    return found


def gateway_variables() -> Mapping[str, str]:
    """Variables that the command of the gateway reads by itself and that are no settings, with its help."""
    alone = typer.Typer()
    alone.command()(gateway)
    known = {_variable(name) for name in Settings.model_fields}
    found: dict[str, str] = {}
    for option in typer.main.get_command(alone).params:
        names = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
        if names and names[0] not in known:
            found[names[0]] = f"1: {getattr(option, 'help', '')}"
    return found


def compose_variables() -> set[str]:
    """Every variable that `compose.yaml` asks for."""
    return set(re.findall(r"\$\{([A-Z_0-9]+)", COMPOSE.read_text("utf-8")))


def fixed_by_compose() -> set[str]:
    """Settings that the workbench's container is given whatever .env says."""
    given: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["workbench"]["environment"]
    return {name for name, value in given.items() if f"${{{name}" not in str(value)}


def _variable(field: str) -> str:
    return settings_module.KNOWN_NAMES.get(field, f"WORKBENCH_{field.upper()}")


def _default(field: str) -> str:
    default = Settings.model_fields[field].default
    if default is None or default is PydanticUndefined or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _told(text: str) -> Iterator[str]:
    return iter([f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)])


if __name__ == "__main__":
    sys.stdout.write(made())
