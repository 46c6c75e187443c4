"""`workbench serve` as a real process: it serves, it stops cleanly, it is killed and comes back."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest
from served import CLIPS, Served, run_cli
from typer.testing import CliRunner

from workbench.cli import app
from workbench.protocol import Metadata, Text
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.wire_client import ChatClient


async def talk_to(served: Served, words: str) -> tuple[ChatClient, str]:
    """A typed talk with the scripted engine, as far as its first word, and its session id."""
    client = await ChatClient.connect(served.url, engine="scripted", events=True)
    await client.send_text(words)
    session_id = ""
    async for message in client.receive():
        match message:
            case Metadata(type="opened", data=data):
                session_id = data["session_id"]
            case Text():
                return client, session_id
            case _:
                pass
    pytest.fail("the server closed before the first word")


async def rest_of(client: ChatClient) -> list[str]:
    """The types of the metadata until the server closes."""
    return [message.type async for message in client.receive() if isinstance(message, Metadata)]


def stored(data_dir: Path, session_id: str) -> dict[str, object]:
    store = DuckDbStore(data_dir / "workbench.duckdb")
    try:
        found = queries.get_session(store, session_id)
    finally:
        store.close()
    assert found is not None
    return found


@pytest.mark.slow
async def test_an_interrupt_ends_the_talks_and_writes_them_down(tmp_path: Path, free_port: int, servers: list[Served]) -> None:
    served = Served(free_port, tmp_path / "var")
    servers.append(served)
    served.wait_until_ready()
    async with httpx.AsyncClient(base_url=served.url) as http:
        assert (await http.get("/health")).json()["engines"]["classic"]["state"] == "ready"
    client, session_id = await talk_to(served, "tell me a story")
    code = await served.end(signal.SIGINT)
    assert "closed" in await rest_of(client)
    assert client.close_code == 1012
    await client.close()
    assert code == 0, served.told
    assert served.told[-1].endswith("Finished server process [" + str(served.process.pid) + "]"), served.told
    session = stored(tmp_path / "var", session_id)
    assert (session["ended_reason"], session["is_active"], session["engine"]) == ("server_stopped", False, "scripted")
    assert (tmp_path / "var" / "audio" / f"{session_id}.flac").is_file()


@pytest.mark.slow
async def test_a_killed_server_closes_its_talks_when_it_comes_back(tmp_path: Path, free_port: int, servers: list[Served]) -> None:
    killed = Served(free_port, tmp_path / "var")
    servers.append(killed)
    killed.wait_until_ready()
    client, session_id = await talk_to(killed, "tell me a story")
    await killed.end(signal.SIGKILL)
    await client.close()

    back = Served(free_port, tmp_path / "var")
    servers.append(back)
    back.wait_until_ready()
    assert any("1 talks that a crash had left open were closed" in line for line in back.told)
    async with httpx.AsyncClient(base_url=back.url) as http:
        told = (await http.get(f"/voice/sessions/{session_id}")).json()
    assert (told["ended_reason"], told["is_active"]) == ("crashed", False)

    # While it runs, another command on its database says so in one line, and talking to it works.
    refused = run_cli("talk", CLIPS / "goforward.wav", "--data-dir", tmp_path / "var", cwd=tmp_path)
    assert refused.returncode == 2
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("workbench: ")
    assert "is held by process" in last
    assert "--url" in last
    assert "Traceback" not in refused.stderr
    assert await back.end(signal.SIGTERM) == 0


def serve(*flags: object) -> tuple[int, list[str]]:
    """A server that cannot start, in this process: its exit code, and what it says on stderr."""
    done = CliRunner().invoke(app, ["serve", *map(str, flags)])
    assert isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr.splitlines()


def test_a_busy_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, lines = serve("--port", taken.getsockname()[1])
    assert code == 2
    (line,) = lines
    assert "Address already in use" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WORKBENCH_MAX_SESSIONS", "many", "max_sessions"),
        ("WORKBENCH_PERSONA", "../x", "persona"),
        ("WORKBENCH_ENGINE", "jarvis", "There is no engine 'jarvis'"),
        ("WORKBENCH_ASR", "ears", "there is no recogniser 'ears'"),
        ("WORKBENCH_LLM_BASE_URL", "ftp://x", "must be http"),
        ("WORKBENCH_DB", "/dev/null/x.duckdb", "--db"),
        ("WORKBENCH_TOOLS_FILE", "nowhere.toml", "nowhere.toml: cannot be read"),
        ("N8N_WEBHOOK_URL", "not an address", "must begin with http"),
    ],
)
def test_a_wrong_setting_is_one_line(free_port: int, variable: str, value: str, says: str) -> None:
    Path(".env").write_text(f"{variable}={value}\n")
    code, lines = serve("--port", free_port)
    assert code == 2
    assert lines[-1].startswith("workbench: ")
    assert says in lines[-1]
