"""Speech and typed messages over HTTP."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.api.context import Context
from workbench.assembly import Workbench
from workbench.bridge.tool import Tool
from workbench.engines.classic.responder import ResponderError
from workbench.testing.responder import ScriptedResponder
from workbench.testing.tools import Script, ScriptedProvider
from workbench.testing.tts import WORD_SAMPLES, ToneTts

MESSAGES = "/api/mas/voice/orchestrator"
SPEECH = "/api/mas/voice"


async def say(client: httpx.AsyncClient, message: str, **more: Any) -> dict[str, Any]:
    answer = await client.post(MESSAGES, json={"message": message, "want_audio": False, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_tool_answers_a_message_and_leaves_rows(client: httpx.AsyncClient, bench: Workbench) -> None:
    told = await say(client, "what is twelve times seven", conversation_id="c-1")
    assert "eighty four" in told["response_text"]
    assert told["response"] == told["response_text"]
    assert told["agent"] == told["agent_name"] == told["routed_to"] == "arithmetic"
    assert told["conversation_id"] == "c-1"
    assert [(call["tool"], call["status"], call["result"]["value"]) for call in told["tool_calls"]] == [("arithmetic", "success", 84)]
    assert told["tool_calls"][0]["arguments"] == {"expression": "12 * 7"}
    assert told["latency_ms"] > 0
    bench.store.flush()
    (row,) = bench.store.query("SELECT action, status FROM voice_tool_invocations WHERE session_id = $1", [told["session_id"]])
    assert row == {"action": "arithmetic", "status": "success"}
    turns = bench.store.query("SELECT speaker, text FROM voice_turns WHERE session_id = $1 ORDER BY id", [told["session_id"]])
    assert [turn["speaker"] for turn in turns] == ["user", "agent"]


async def test_the_persona_answers_what_no_tool_does(client: httpx.AsyncClient) -> None:
    told = await say(client, "who are you")
    assert "MYCA" in told["response_text"]
    assert (told["routed_to"], told["agent"], told["provider"], told["tool_calls"]) == (None, "myca", "embedded", [])


async def test_a_conversation_goes_on(client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    responder = ScriptedResponder(["One."], ["Two."])
    monkeypatch.setattr(context.text_talks, "_responder_for", lambda _persona: responder)
    first = await say(client, "tell me a story", conversation_id="c-2", persona="casual")
    again = await say(client, "go on with it", conversation_id="c-2")
    assert (first["response_text"], again["response_text"]) == ("One.", "Two.")
    assert first["session_id"] == again["session_id"]
    assert responder.asked[1] == ("go on with it", [("user", "tell me a story"), ("agent", "One.")])


async def test_an_action_waits_for_the_word_and_then_runs_once(client: httpx.AsyncClient, bench: Workbench) -> None:
    provider = ScriptedProvider({"start_backup": Script(spoken="The backup runs.")})
    bench.registry.add(provider, Tool("start_backup", "Start the backup", tier="write", phrases=("start the backup",), provider="scripted"))
    proposed = await say(client, "start the backup", conversation_id="c-3")
    assert proposed["requires_confirmation"] is True
    assert "confirm and proceed" in proposed["confirmation_prompt"].lower()
    assert (proposed["tool_calls"][0]["status"], provider.calls) == ("proposed", [])
    done = await say(client, "confirm and proceed", conversation_id="c-3")
    assert done["response_text"] == "The backup runs."
    assert done["tool_calls"][0]["status"] == "success"
    assert len(provider.calls) == 1
    bench.store.flush()
    audit = (await client.get(f"/voice/sessions/{done['session_id']}")).json()
    (call,) = audit["tool_invocations"]
    assert [(made["act"], made["tool"], made["invocation_id"]) for made in audit["decisions"]] == [
        ("propose", "start_backup", call["invocation_id"]),
        ("confirm", "start_backup", call["invocation_id"]),
    ]
    other = await say(client, "confirm and proceed", conversation_id="c-4")
    assert (other["tool_calls"], len(provider.calls)) == ([], 1)


async def test_a_failing_tool_is_an_apology_and_a_row(client: httpx.AsyncClient, bench: Workbench) -> None:
    provider = ScriptedProvider({"read_sensor": Script(error="the sensor is off")})
    bench.registry.add(provider, Tool("read_sensor", "Read the sensor", phrases=("read the sensor",), provider="scripted"))
    told = await say(client, "read the sensor")
    assert told["response_text"].startswith("Sorry")
    assert told["tool_calls"][0]["status"] == "error"
    assert "the sensor is off" in told["tool_calls"][0]["error"]


async def test_a_failing_responder_is_an_apology_with_its_error(
    client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ScriptedResponder(["Well,"], fail_after=0, error=ResponderError("The model is down. Start it.", "I am sorry."))
    monkeypatch.setattr(context.text_talks, "_responder_for", lambda _persona: failing)
    told = await say(client, "tell me a story")
    assert (told["response_text"], told["error"]) == ("I am sorry.", "The model is down. Start it.")


async def test_the_reply_comes_as_speech_too(client: httpx.AsyncClient) -> None:
    told = await say(client, "who are you", want_audio=True)
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(told["audio_base64"])))
    assert (rate, told["audio_mime"]) == (24_000, "audio/wav")
    assert sound.size >= len(told["response_text"].split()) * WORD_SAMPLES * 0.5


@pytest.mark.parametrize("voices", [[ToneTts(voices=("slt",), fail_after_chunks=0)]], ids=["mute"])
async def test_a_mute_voice_leaves_the_text(client: httpx.AsyncClient) -> None:
    told = await say(client, "who are you", want_audio=True)
    assert told["response_text"]
    assert told["audio_base64"] is None
    assert "told to fail" in told["error"]


async def test_a_text_conversation_is_a_session_that_can_be_ended(client: httpx.AsyncClient, bench: Workbench) -> None:
    told = await say(client, "hello", conversation_id="c-5")
    bench.store.flush()
    (row,) = (await client.get("/api/mas/voice/sessions")).json()["sessions"]
    assert (row["session_id"], row["transport"]) == (told["session_id"], "http")
    assert (await client.delete(f"/voice/sessions/{told['session_id']}")).status_code == 200
    bench.store.flush()
    (over,) = (await client.get("/voice/sessions", params={"all": True})).json()["sessions"]
    assert (over["is_active"], over["ended_reason"]) == (False, "ended_by_api")
    assert (await say(client, "hello", conversation_id="c-5"))["session_id"] != told["session_id"]


async def test_idle_conversations_are_closed(client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await say(client, "hello")
    monkeypatch.setattr("workbench.api.text_talks.IDLE_S", -1.0)
    await context.text_talks.close_idle()
    assert await context.text_talks.end(told["session_id"]) is False


async def test_speech_is_a_wav_that_can_be_played(client: httpx.AsyncClient) -> None:
    answer = await client.post(SPEECH, json={"text": "one two three", "voice_id": "rms"})
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content[:4] == b"RIFF"
    assert len(answer.content) == 44 + 3 * WORD_SAMPLES * 2


async def test_the_voice_is_told(client: httpx.AsyncClient) -> None:
    told = (await client.get(SPEECH)).json()
    assert (told["voice_id"], told["model"], told["elevenlabs_configured"], told["mas_url"]) == ("slt", "tone", False, None)
    assert told["voices"] == ["slt", "rms"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SPEECH, {"text": ""}),
        (SPEECH, {"text": "  \n"}),
        (SPEECH, {"text": "x" * 5_001}),
        (SPEECH, {"text": "hello", "voice_id": "../x"}),
        (MESSAGES, {"message": ""}),
        (MESSAGES, {"message": "   "}),
        (MESSAGES, {"message": "hello", "conversation_id": "../x"}),
        (MESSAGES, {}),
        (MESSAGES, []),
    ],
)
async def test_what_cannot_be_said_is_400(client: httpx.AsyncClient, path: str, body: object) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_persona_is_no_path(client: httpx.AsyncClient) -> None:
    assert (await client.post(MESSAGES, json={"message": "hello", "persona": "../x"})).status_code == 404


@pytest.mark.parametrize("voices", [[ToneTts(voices=("slt",), fail_after_chunks=0)]], ids=["mute"])
async def test_a_voice_that_fails_at_once_is_503(client: httpx.AsyncClient) -> None:
    answer = await client.post(SPEECH, json={"text": "hello"})
    assert answer.status_code == 503
    assert "told to fail" in answer.json()["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("session_id", "conversation_id", "mode", "persona", "check_only", "text", "voice_id", "message", "want_audio")
BODIES = JSON | st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["auto", "classic", "casual", "hello", "slt"]), max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([SPEECH, MESSAGES, "/api/mas/voice/duplex/session", "/voice/sessions"]), body=BODIES)
async def test_no_json_body_is_a_server_error(client: httpx.AsyncClient, context: Context, path: str, body: Any) -> None:
    context.entrance._pending.clear()
    answer = await client.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert answer.status_code in {200, 201, 400, 404, 409, 503}, answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"]
