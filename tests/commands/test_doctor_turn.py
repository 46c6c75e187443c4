"""The doctor's words on STUN and TURN, of a real server on loopback."""

from __future__ import annotations

import httpx
import pytest
from turn_server import RELAY, turn_server

from workbench.commands.checks.finding import Finding
from workbench.commands.checks.turn import turn
from workbench.settings import Settings

PATIENT_S = 30.0
"""For servers that answer: the machine may be busy."""


async def find(transport: httpx.AsyncBaseTransport | None = None, timeout_s: float = PATIENT_S, **given: object) -> list[Finding]:
    found = await turn(Settings(_env_file=None, **given), transport, timeout_s)
    assert all(bool(one.repair) is (one.state != "ok") for one in found), found
    assert not any("secret" in f"{one.found}{one.repair}" for one in found), "no credential is told"
    return found


async def test_none_is_needed_on_one_machine() -> None:
    (found,) = await find()
    assert found.state == "ok"
    (found,) = await find(host="0.0.0.0")
    assert (found.state, "WORKBENCH_TURN_FROM_HUGGINGFACE" in found.repair) == ("warning", True)
    (found,) = await find(allowed_origins="https://talk.example.org")
    assert found.state == "warning"


async def test_stun_tells_the_address_it_sees() -> None:
    async with turn_server() as server:
        (found,) = await find(stun_urls=f"stun:{server.address}")
    assert (found.state, f"stun:{server.address} sees this machine as 127.0.0.1:" in found.found) == ("ok", True), found
    assert found.ms is not None


async def test_an_allocation_is_made_and_given_back() -> None:
    async with turn_server({"me": "secret"}) as server:
        (found,) = await find(turn_url=f"turn:{server.address}", turn_username="me", turn_password="secret")
        assert (found.state, f"allocated a relay at {RELAY[0]}:{RELAY[1]}" in found.found) == ("ok", True), found
        assert (server.ever, server.allocated) == (1, set())


async def test_wrong_credentials_are_refused() -> None:
    async with turn_server({"me": "secret"}) as server:
        (found,) = await find(turn_url=f"turn:{server.address}", turn_username="me", turn_password="old secret")
    assert (found.state, "refused: 401 Unauthorized" in found.found) == ("warning", True), found
    assert found.repair == "export WORKBENCH_TURN_USERNAME=... WORKBENCH_TURN_PASSWORD=..."
    assert server.ever == 0


async def test_servers_that_do_not_answer() -> None:
    async with turn_server(mute=True) as mute, turn_server() as gone:
        nobody = gone.address
        gone.transport.close()
        silent = await find(timeout_s=0.2, stun_urls=f"stun:{mute.address}", turn_url=f"turn:{mute.address}")
        assert [one.found for one in silent] == [
            f"stun:{mute.address} gave no answer within 0.2 s.",
            f"turn:{mute.address} gave no answer within 0.2 s.",
        ]
        (tcp,) = await find(turn_url=f"turn:{nobody}?transport=tcp")
        assert (tcp.state, "cannot be used" in tcp.found) == ("warning", True), tcp
        # The system says so at once; the patience is not used up.
        (udp,) = await find(stun_urls=f"stun:{nobody}")
        assert (udp.state, "cannot be used" in udp.found) == ("warning", True), udp
    (found,) = await find(turn_url="turn.example.org:3478")
    assert (found.state, "is no address" in found.found) == ("error", True)


@pytest.mark.parametrize("whom", ["huggingface", "cloudflare"])
async def test_fetched_credentials_are_tried(whom: str) -> None:
    given: dict[str, object] = {"hf_token": "hf_secret", "turn_from_huggingface": True}
    if whom == "cloudflare":
        given = {"cloudflare_turn_key_id": "key", "cloudflare_turn_key_api_token": "secret"}
    async with turn_server({"fresh": "secret"}) as server:
        servers = {"urls": [f"stun:{server.address}", f"turn:{server.address}?transport=udp"], "username": "fresh", "credential": "secret"}
        found = await find(httpx.MockTransport(lambda _request: httpx.Response(200, json={"iceServers": servers})), **given)
        assert [one.state for one in found] == ["ok", "ok"], found
        assert server.ever == 1
    (refused,) = await find(httpx.MockTransport(lambda _request: httpx.Response(403)), **given)
    assert (refused.state, "HTTP 403" in refused.found) == ("warning", True)
    assert refused.repair.startswith("export HF_TOKEN" if whom == "huggingface" else "export CLOUDFLARE_TURN_KEY_ID")
