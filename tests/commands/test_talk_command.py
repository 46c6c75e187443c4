"""`workbench talk`, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from threading import Thread

import pytest
import soundfile
import uvicorn
from fastapi import FastAPI
from served import CLIPS
from typer.testing import CliRunner

from workbench import assembly
from workbench.audio.frames import Pcm
from workbench.audio.wav import load_wav
from workbench.cli import app
from workbench.engines.speech.base import AsrSession, Transcript, Tts
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.migrate import load_migrations
from workbench.testing.port import EchoOpener
from workbench.testing.tts import ToneTts
from workbench.transports.clip import Account
from workbench.transports.websocket import SERVER_OPTIONS, chat_router

SPEECH = CLIPS / "goforward.wav"


class OneSentenceSession:
    restarts = 0
    partial = ""

    async def feed(self, pcm_16k: Pcm) -> None: ...

    async def finish(self) -> Transcript:
        return Transcript("what is two plus two", 1.0)

    async def close(self) -> None: ...


class OneSentenceAsr:
    """Understands the same in whatever it hears."""

    name = "one sentence"
    why = "It is the test recogniser."

    async def open(self, phrases: Sequence[str] = ()) -> AsrSession:
        return OneSentenceSession()

    async def close(self) -> None: ...


@pytest.fixture
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def recogniser(*_arguments: object) -> OneSentenceAsr:
        return OneSentenceAsr()

    async def synthesisers(*_arguments: object, **_named: object) -> list[Tts]:
        return [ToneTts(voices=("slt",))]

    monkeypatch.setattr(assembly, "choose_recogniser", recogniser)
    monkeypatch.setattr(assembly, "choose_synthesisers", synthesisers)


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.usefixtures("_fakes")
def test_a_clip_is_answered_and_everything_is_written_down(tmp_path: Path) -> None:
    code, out, err = run(
        "talk",
        SPEECH,
        "--engine",
        "scripted",
        "--test-engines",
        "--persona",
        "assistant",
        "--json",
        "--out",
        "reply.wav",
        "--data-dir",
        "var",
    )
    assert code == 0, err
    account = json.loads(out)
    assert account.keys() == {field.name for field in fields(Account)}
    assert (account["engine"], account["ended_reason"]) == ("scripted", "completed")
    assert account["parts"]["asr"]["name"] == "one sentence"
    assert [turn["speaker"] for turn in account["turns"]] == ["user", "agent"]
    assert account["turns"][0]["text"] == "what is two plus two"
    assert account["turns"][1]["latency_ms"] > 0
    assert [(tool["tool"], tool["status"]) for tool in account["tool_invocations"]] == [("arithmetic", "success")]
    sound, rate = soundfile.read("reply.wav")
    assert rate == 24_000
    assert abs(sound).max() > 0.1
    assert "reply.wav" in err

    store = DuckDbStore(tmp_path / "var" / "workbench.duckdb")
    try:
        row = queries.get_session(store, account["session_id"])
    finally:
        store.close()
    assert row is not None
    assert (row["persona"], row["transport"], row["turn_count"], row["tool_count"]) == ("assistant", "clip", 2, 1)
    assert (tmp_path / "var" / "audio" / f"{account['session_id']}.flac").is_file()


@pytest.mark.usefixtures("_fakes")
def test_without_json_people_read_it() -> None:
    code, out, _err = run("talk", SPEECH, "--engine", "scripted", "--test-engines")
    assert code == 0
    assert "what is two plus two" in out
    assert "tool arithmetic: success" in out


@pytest.mark.usefixtures("_fakes")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.wav"], "missing.wav"),
        ([SPEECH, "--persona", "../x"], "not a persona id"),
        ([SPEECH, "--persona", "nobody"], "Known personas"),
        ([SPEECH, "--engine", "jarvis"], "There is no engine 'jarvis'"),
        ([SPEECH, "--engine", "personaplex"], "Set PERSONAPLEX_URL"),
        ([SPEECH, "--out", "nowhere/reply.wav"], "make it"),
        ([SPEECH, "--url", "http://127.0.0.1:9"], "is the server running?"),
        ([SPEECH, "--url", "nonsense://"], "is no address of a server"),
    ],
)
def test_a_fault_is_one_line(arguments: list[object], says: str) -> None:
    code, out, err = run("talk", *arguments)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("workbench: ")
    assert says in last
    assert "Traceback" not in err


@pytest.mark.usefixtures("_fakes")
def test_a_file_that_is_no_sound_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"RIFF" + bytes(20))
    code, _out, err = run("talk", "noise.wav")
    assert code == 2
    assert "noise.wav cannot be read as audio" in err


def test_a_held_database_is_one_line(tmp_path: Path) -> None:
    code, out, _err = run("migrate", "--data-dir", "var")
    assert code == 0
    assert load_migrations()[-1].version in out
    store = DuckDbStore(tmp_path / "var" / "workbench.duckdb")
    try:
        code, out, err = run("migrate", "--data-dir", "var")
    finally:
        store.close()
    assert (code, out) == (2, "")
    assert "already open in this process" in err


@pytest.fixture
def echo_server() -> Iterator[str]:
    """A server of the protocol whose agent is the user."""
    app = FastAPI()
    app.include_router(chat_router(EchoOpener()))

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, **SERVER_OPTIONS))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.02)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_a_clip_over_the_wire(echo_server: str) -> None:
    code, out, err = run("talk", CLIPS / "digit_one.wav", "--url", echo_server, "--json", "--out", "echo.wav")
    assert code == 0, err
    account = json.loads(out)
    assert account.keys() == {field.name for field in fields(Account)}
    assert (account["session_id"], account["engine"]) == ("echo-0", "echo")
    assert account["parts"]["asr"]["why"] == "An echo listens to nobody."
    sound, _rate = soundfile.read("echo.wav")
    spoken = load_wav(CLIPS / "digit_one.wav")
    assert sound.size > spoken.size
    assert abs(sound).max() == pytest.approx(abs(spoken).max(), rel=0.3)


@pytest.mark.slow
def test_the_classic_engine_answers_a_real_clip() -> None:
    code, out, err = run("talk", SPEECH, "--engine", "classic", "--json")
    assert code == 0, err
    account = json.loads(out)
    assert account["engine"] == "classic"
    user, agent = account["turns"][0], account["turns"][1]
    assert "forward" in user["text"]
    assert (user["speaker"], agent["speaker"]) == ("user", "agent")
    assert agent["text"]
    assert account["parts"].keys() >= {"asr", "tts", "responder", "end_of_turn"}
