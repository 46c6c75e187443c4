"""`workbench deploy haproxy`: several gateways behind one address."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import BaseModel, Field, ValidationError

from workbench.commands.common import CommandError, say, show, told_plainly
from workbench.commands.deploy.addresses import MAX_SLOTS, Address, check_path, check_variable, parse_address, parse_gateway
from workbench.commands.deploy.haproxy_config import Balancer, Server, render

ASK_WITHIN_S = 3.0
CHECK_WITHIN_S = 30.0
INSTALL = "apt-get install haproxy"


class _Health(BaseModel):
    """What is used of a gateway's `/health`."""

    instance: str
    slots: int = Field(ge=1, le=MAX_SLOTS)


def haproxy(
    gateway: Annotated[
        list[str], typer.Option(metavar="HOST:PORT[=SLOTS]", help="A gateway; repeat it. Without =SLOTS it is asked for them now.")
    ],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the balancer listens.")] = "127.0.0.1:8900",
    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable with the gateways' token; HAProxy reads it when it starts, and asks for it."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file with certificate and key.")] = None,
    admin_socket: Annotated[Path, typer.Option(help="Where HAProxy takes orders, such as to drain a gateway.")] = Path(
        "/run/haproxy/admin.sock"
    ),
    out: Annotated[Path | None, typer.Option(help="Write to this file, else to stdout.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Have `haproxy -c` read it, too.")] = False,
) -> None:
    """Print an HAProxy configuration: the least loaded gateway gets the next talk, never more than it has slots."""
    with told_plainly():
        address = parse_address(listen, "--listen")
        if token_env is None and not address.is_loopback:
            raise CommandError(f"{listen} can be reached from other machines: give --token-env, or listen on 127.0.0.1")
        if tls_cert is None and not address.is_loopback:
            say("Without --tls-cert the token and all that is said go over the network in clear.")
        balancer = Balancer(
            servers=_servers([parse_gateway(text) for text in gateway]),
            listen=address,
            admin_socket=check_path(admin_socket, "--admin-socket"),
            token_variable=None if token_env is None else check_variable(token_env),
            certificate=None if tls_cert is None else check_path(tls_cert, "--tls-cert"),
        )
        text = render(balancer)
        if check:
            check_with_haproxy(text)
            say("haproxy -c finds the configuration valid.")
        if out is None:
            show(text.rstrip("\n"))
        else:
            _write(text, out)
            say(f"Written to {out}. Start it with: haproxy -f {out}")


def _servers(asked: list[tuple[Address, int | None]]) -> list[Server]:
    found: dict[Address, Server] = {}
    for address, slots in asked:
        if address in found:
            raise CommandError(f"--gateway {address} is given twice")
        found[address] = Server(address, ask_slots(address) if slots is None else slots)
    return list(found.values())


def ask_slots(address: Address) -> int:
    """What the gateway says of itself just now. Raises CommandError: slots are never guessed."""
    instead = f"start it, or write --gateway {address}=SLOTS"
    try:
        answer = httpx.get(f"http://{address}/health", timeout=ASK_WITHIN_S, trust_env=False)
        health = _Health.model_validate_json(answer.content)
    except httpx.HTTPError as error:
        raise CommandError(f"{address} cannot be asked for its slots ({error}): {instead}") from error
    except ValidationError as error:
        raise CommandError(f"what answers at {address} is no gateway that tells its slots: {instead}") from error
    say(f"{address} is {health.instance} with {health.slots} slots.")
    return health.slots


def find_haproxy() -> str | None:
    """Where the program is; Debian keeps it where a user's PATH does not look. None when it is not installed."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def check_with_haproxy(text: str) -> None:
    """Raises CommandError with HAProxy's own words when it does not take the configuration, or when it is not installed."""
    program = find_haproxy()
    if program is None:
        raise CommandError(f"there is no haproxy here to check with: {INSTALL}, or leave --check out")
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(text)
        file.flush()
        try:
            done = subprocess.run([program, "-c", "-f", file.name], capture_output=True, text=True, timeout=CHECK_WITHIN_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"haproxy -c did not end within {CHECK_WITHIN_S:g} s; a gateway's name may not be resolved") from error
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if "ALERT" in line]
        raise CommandError("haproxy does not take the configuration: " + " ".join(told or done.stderr.splitlines()))


def _write(text: str, out: Path) -> None:
    try:
        out.write_text(text)
    except OSError as error:
        raise CommandError(f"{out} cannot be written ({error.strerror}); choose another --out") from error
