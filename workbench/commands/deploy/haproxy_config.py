"""The HAProxy configuration for several gateways behind one address. Needs HAProxy 2.6 or later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.commands.deploy.addresses import Address

MAX_QUEUED = 16
"""Visitors that may wait for a place; one more is refused at once."""
OTHER_CONNECTIONS = 256
"""Beside the talks: questions, and visitors that are refused."""


@dataclass(frozen=True, slots=True)
class Server:
    """One gateway and how many talks it holds at once."""

    address: Address
    slots: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """What to balance, and for whom."""

    servers: Sequence[Server]
    listen: Address
    admin_socket: Path
    token_variable: str | None = None
    certificate: Path | None = None


def render(balancer: Balancer) -> str:
    """The whole file."""
    parts = (_global(balancer), _defaults(balancer), _frontend(balancer), _talks(balancer), _questions(balancer))
    return "\n".join(parts)


def _global(balancer: Balancer) -> str:
    slots = sum(server.slots for server in balancer.servers)
    guard = ""
    if balancer.token_variable is not None:
        name = balancer.token_variable
        guard = (
            f'    .if !defined({name})\n        .alert "set {name} to the token of the gateways, then start HAProxy again"\n    .endif\n'
        )
    return f"""\
# Made by `workbench deploy haproxy`: {len(balancer.servers)} gateways, {slots} talks at once. Make it anew when they change.
#
# Take a gateway out: its talks go on to their end, new ones go to the others. `state ready` brings it back.
#   echo "set server gateways/g1 state drain" | socat stdio {balancer.admin_socket}
# Who is there, and how many talks each holds:
#   echo "show servers conn gateways" | socat stdio {balancer.admin_socket}
# A gateway that gets SIGTERM drains by itself: its /health answers 503 and it leaves within two checks.

global
{guard}    maxconn {2 * slots + OTHER_CONNECTIONS}
    stats socket {balancer.admin_socket} mode 600 level admin
    # No log of requests: prompts and tokens are in addresses. Who comes and goes is told on standard error.
"""


def _defaults(balancer: Balancer) -> str:
    return f"""\
defaults
    mode http
    timeout connect 1s
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout client 30s
    timeout server 30s
    # Once a talk is open only this one counts: a frame comes every 80 ms and a ping every second, so an hour of silence is a dead talk.
    timeout tunnel 1h
    timeout client-fin 5s
    # Full is an answer, soon.
    timeout queue 2s
    # A gateway that is gone, or drains and has not been found out, costs a visitor nothing: the next one is asked at once.
    retries {max(3, len(balancer.servers))}
    option redispatch 1
    retry-on conn-failure empty-response 503
    http-error status 503 content-type application/json string '{_json("busy", "no gateway has a free place or answers")}'
"""


def _frontend(balancer: Balancer) -> str:
    tls = "" if balancer.certificate is None else f" ssl crt {balancer.certificate} alpn http/1.1 ssl-min-ver TLSv1.2"
    down = _answer(503, _json("down", "no gateway is up"), "if { nbsrv(gateways) eq 0 }")
    full = _answer(503, _json("busy", "every place is taken and others wait"), f"if is_talk {{ queue(gateways) ge {MAX_QUEUED} }}")
    other = _answer(404, _json("not_found", "here are only /api/chat, /health, /voices and /prompt"), "unless is_talk or is_question")
    return f"""\
frontend entrance
    bind {balancer.listen}{tls}
    acl is_talk path /api/chat
    # /drain and /metrics are of one gateway: ask it itself.
    acl is_question path /health /voices /prompt
{_ask_token(balancer.token_variable)}{down}{full}{other}    use_backend gateways if is_talk
    default_backend questions
"""


def _ask_token(variable: str | None) -> str:
    """As the gateways ask for it: a bearer, or the web client's parameter."""
    if variable is None:
        return ""
    refused = _answer(401, _json("unauthorised", "give the token as Authorization: Bearer"), "unless has_token is_token")
    return f"""\
    http-request set-var(txn.token) env({variable})
    http-request set-var(txn.given) http_auth_bearer
    http-request set-var(txn.given) url_param(worker_auth_id),url_dec unless {{ var(txn.given) -m found }}
    acl has_token var(txn.given) -m len 1:
    acl is_token var(txn.given),secure_memcmp(txn.token)
{refused}"""


def _answer(status: int, body: str, condition: str) -> str:
    return f"    http-request return status {status} content-type application/json string '{body}' {condition}\n"


def _talks(balancer: Balancer) -> str:
    servers = "\n".join(
        f"    server g{number} {server.address} maxconn {server.slots}" for number, server in enumerate(balancer.servers, start=1)
    )
    return f"""\
backend gateways
    balance leastconn
    option httpchk
    http-check send meth GET uri /health ver HTTP/1.1 hdr Host gateway
    http-check expect status 200
    timeout check 2s
    # A gateway that fails its checks gets no new talk; those that go on are left alone, since it may only be busy or draining.
    default-server check inter 1s fastinter 300ms downinter 1s fall 2 rise 2
{servers}
"""


def _questions(balancer: Balancer) -> str:
    names = [f"g{number}" for number in range(1, len(balancer.servers) + 1)]
    counting = "\n".join(
        f"    http-request set-var(txn.takes) nbsrv(takes_{name})\n"
        f"    http-request set-var(txn.conn) srv_conn(gateways/{name})\n"
        f"    http-request set-var(txn.slots) var(txn.takes),mul({server.slots}),add(txn.slots)\n"
        f"    http-request set-var(txn.used) var(txn.takes),mul(txn.conn),add(txn.used)"
        for name, server in zip(names, balancer.servers, strict=True)
    )
    servers = "\n".join(
        f"    server {name} {server.address} track gateways/{name}" for name, server in zip(names, balancer.servers, strict=True)
    )
    takes = "\n".join(
        f"backend takes_{name}\n    server {name} {server.address} track gateways/{name}\n"
        for name, server in zip(names, balancer.servers, strict=True)
    )
    return f"""\
# Nothing is sent to these: each tells whether its gateway takes talks, which a server that is drained is the only one not to tell.
{takes}
backend questions
    # Places are counted over all gateways that take talks; the rest of /health is of the one that answers.
    balance leastconn
    http-request set-var(txn.slots) int(0)
    http-request set-var(txn.used) int(0)
{counting}
    http-response set-header X-Gateways-Up %[nbsrv(gateways)]
    http-response set-header X-Gateways-Slots %[var(txn.slots)]
    http-response set-header X-Gateways-In-Use %[var(txn.used)]
    http-response set-header X-Gateways-Waiting %[queue(gateways)]
{servers}
"""


def _json(code: str, message: str) -> str:
    return f'{{"code":"{code}","message":"{message}"}}'
