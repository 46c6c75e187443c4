"""Which `Host` headers a server answers."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from workbench.api.known_host import KnownHost
from workbench.settings import Settings


async def nothing(*_: object) -> None: ...


def known(**settings: object) -> KnownHost:
    return KnownHost(nothing, Settings(_env_file=None, **settings))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.0.2.1", "[", "", "a@b:c"])
async def test_a_foreign_name_that_points_here_is_refused(client: httpx.AsyncClient, host: str) -> None:
    refused = await client.get("/health", headers={"Host": host})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_host")
    assert "WORKBENCH_ALLOWED_ORIGINS" in refused.json()["error"]


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "localhost", "[::1]:7860"])
async def test_loopback_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("192.168.1.5:7860", True),
        ("[2001:db8::1]:7860", True),
        ("workbench:7860", True),
        ("studio.local", True),
        ("localhost:7860", True),
        ("", True),
        ("evil.example:7860", False),
        ("192.168.1.5.evil.example", False),
        ("local.evil.example", False),
        ("talk.example", True),
    ],
)
def test_a_server_for_other_machines_answers_to_names_that_no_stranger_can_have(host: str, fine: bool) -> None:
    assert known(host="0.0.0.0", allowed_origins=("https://talk.example",)).knows(host) is fine


def test_with_a_password_or_for_all_origins_any_name_will_do() -> None:
    assert known(host="0.0.0.0", password=SecretStr("x")).knows("any.example")
    assert known(host="0.0.0.0", allowed_origins=("*",)).knows("any.example")
    assert not known(password=SecretStr("x")).knows("any.example")
