"""Which `Host` headers a server answers."""

from __future__ import annotations

import httpx
import pytest

from workbench.api.known_host import allowed_hosts
from workbench.settings import Settings


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example"])
async def test_a_foreign_name_that_points_here_is_refused(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health", headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "localhost"])
async def test_loopback_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health", headers={"Host": host})).status_code == 200


def test_a_server_for_other_machines_answers_to_all_names() -> None:
    assert allowed_hosts(Settings(host="0.0.0.0")) == ["*"]


def test_the_host_of_an_allowed_origin_is_answered() -> None:
    assert "talk.example" in allowed_hosts(Settings(allowed_origins=("https://talk.example",)))
