"""A gateway that is drained: nobody new, the talks go on, and those that are left when the time is over are told."""

from __future__ import annotations

import functools
import json
import urllib.request
from urllib.error import HTTPError

import pytest
import websockets
from serving import WAIT_S, Served, running
from waiting import until

from workbench.audio.frames import Pcm
from workbench.clock import FastClock, fixed
from workbench.engines.base import EngineError, EngineSpec
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.server import ServerOptions
from workbench.personas import Persona
from workbench.protocol import MAX_ACCOUNT_CHARS, ErrorMessage, Handshake, Metadata
from workbench.wire_client import ChatClient, ChatError

TOKEN = "s3cret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PERSONA = Persona("tiny", "Tess", "TINYW1", "casual", "You enjoy having a good conversation.")


def post_drain(served: Served, headers: dict[str, str]) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/drain", method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_a_talk_goes_on_to_its_end_and_nobody_new_is_taken(model: Model, user: Pcm) -> None:
    for served in running(model, ServerOptions(port=0, token=TOKEN, drain_s=WAIT_S, instance="g1")):
        engine = PersonaPlexEngine(f"127.0.0.1:{served.port}", TOKEN)
        async with served.client(headers=BEARER, events=1) as client:
            opened = (await client.until(Metadata, "opened")).data
            assert (opened["instance"], opened["model"], opened["device"]) == ("g1", "personaplex", "cpu")
            assert post_drain(served, {})[0] == 401
            assert (await engine.probe()).state == "ready", "a stranger drains nothing"
            status, told = post_drain(served, BEARER)
            assert (status, json.loads(told)["status"]) == (202, "draining")
            status, told = served.get("/health")
            assert (status, json.loads(told)["status"], json.loads(told)["in_use"]) == (503, "draining", 1)

            answer = await engine.probe()
            assert answer.state == "unavailable"
            assert "is being drained" in answer.reason
            with pytest.raises(EngineError, match="being drained"):
                await engine.open(EngineSpec("new", PERSONA, "TINYW1", FastClock(fixed({}))))
            with pytest.raises(ChatError, match="call again, another one may take you") as refused:
                await ChatClient.connect(f"127.0.0.1:{served.port}", token=TOKEN, voice_prompt="TINYW1", text_prompt="Hi.")
            assert refused.value.code == "draining"

            for frame in user[:10]:
                await client.speak(frame)
            await client.hear(10 * 1920)
            assert not served.server.should_exit
        await until(functools.partial(getattr, served.server, "should_exit"), WAIT_S)


async def test_who_is_left_when_the_time_is_over_is_told(model: Model) -> None:
    for served in running(model, ServerOptions(port=0, token=TOKEN, drain_s=0.2, limits=Limits(waiting=1))):
        async with served.client(headers=BEARER) as one, served.client(headers=BEARER) as two, served.client(headers=BEARER) as three:
            for client in (one, two, three):
                await client.until(Handshake)
            async with served.client(headers=BEARER, events=1) as waiting:
                await waiting.until(Metadata, "queue")
                post_drain(served, BEARER)
                error = await waiting.until(ErrorMessage)
                assert (error.code, "another one may take you" in error.message) == ("shutdown", True)
            error = await one.until(ErrorMessage)
            assert (error.code, "is being stopped" in error.message) == ("shutdown", True)
            with pytest.raises(websockets.ConnectionClosedOK):
                await one.next()
            assert one.socket.close_code == 1001


def test_without_a_token_nobody_drains_it_from_a_page(model: Model) -> None:
    for served in running(model, ServerOptions(port=0)):
        assert post_drain(served, {})[0] == 403
        assert served.get("/health")[0] == 200


async def test_what_was_said_before_follows_the_persona_in_the_prompt(model: Model) -> None:
    for served in running(model, ServerOptions(port=0)):

        def prompts(served: Served = served) -> list[str]:
            rows = served.slots.owner.rows
            return [model.tokenizer.decode(list(seat.request.text_ids)) for seat in rows if seat is not None]

        async with served.client(events=1, account="You said: <hello> there.") as client:
            await client.until(Metadata, "opened")
            (prompt,) = prompts()
            assert "a good conversation. You said: hello there." in prompt
        await until(lambda: not prompts())
        async with served.client(events=1, account="so " * (MAX_ACCOUNT_CHARS // 3), text_prompt="we " * 300) as client:
            refused = await client.until(Metadata, "account_refused")
            assert "at most 1000" in refused.data["message"]
            (prompt,) = prompts()
            assert "so so" not in prompt
        async with served.client(account="x" * (MAX_ACCOUNT_CHARS + 1)) as client:
            assert "account has 1,501 characters" in (await client.until(ErrorMessage)).message
