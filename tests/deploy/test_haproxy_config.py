"""`workbench deploy haproxy`: what it writes, what it refuses, and whom it asks."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from workbench.cli import app

TWO = ("--gateway", "10.0.0.5:8998=8", "--gateway", "[fd00::5]:8998=4")


def made(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["deploy", "haproxy", *map(str, arguments)])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [line.strip() for line in result.stdout.splitlines()]


def test_slots_are_the_most_talks_of_a_server_and_the_least_loaded_is_next() -> None:
    told = lines(made(*TWO))
    backend = told[told.index("backend gateways") :]
    assert "server g1 10.0.0.5:8998 maxconn 8" in backend
    assert "server g2 [fd00::5]:8998 maxconn 4" in backend
    assert backend[1] == "balance leastconn"
    assert "bind 127.0.0.1:8900" in told
    assert f"maxconn {2 * 12 + 256}" in told
    assert not [line for line in told if line.startswith(("log", "option httplog"))], "addresses hold prompts and tokens"


def test_a_token_is_named_and_never_written() -> None:
    result = made(*TWO, "--listen", "0.0.0.0:443", "--token-env", "PERSONAPLEX_TOKEN", "--tls-cert", "/etc/haproxy/talk.pem")
    told = lines(result)
    assert "bind 0.0.0.0:443 ssl crt /etc/haproxy/talk.pem alpn http/1.1 ssl-min-ver TLSv1.2" in told
    assert "http-request set-var(txn.token) env(PERSONAPLEX_TOKEN)" in told
    assert ".if !defined(PERSONAPLEX_TOKEN)" in told
    assert "in clear" not in result.stderr
    assert "in clear" in made(*TWO, "--listen", "10.0.0.9:8900", "--token-env", "T").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--gateway", "10.0.0.5"), "has no port"),
        (("--gateway", "10.0.0.5:0"), "has no port"),
        (("--gateway", "10.0.0.5:70000"), "has no port"),
        (("--gateway", "10.0.0.5:8998=0"), "slots are a number"),
        (("--gateway", "10.0.0.5:8998=8 weight 100"), "slots are a number"),
        (("--gateway", "10.0.0.5:8998=٣"), "slots are a number"),
        (("--gateway", "a b:8998=1"), "no host name"),
        (("--gateway", "a\n    server evil 6.6.6.6:1:8998=1"), "no host name"),
        (("--gateway", "$HOME:8998=1"), "no host name"),
        (("--gateway", "a#:8998=1"), "no host name"),
        (("--gateway", "-f:8998=1"), "no host name"),
        (("--gateway", "[fe80::1%eth0]:8998=1"), "no host name"),
        (("--gateway", "[a]:8998=1"), "no host name"),
        (("--gateway", "x" * 300 + ":8998=1"), "no host name"),
        (("--gateway", "a:1=1", "--gateway", "a:1=2"), "given twice"),
        (("--gateway", "a:1=1", "--listen", "0.0.0.0:80"), "give --token-env"),
        (("--gateway", "a:1=1", "--listen", "*:80"), "no host name"),
        (("--gateway", "a:1=1", "--listen", "127.0.0.1:80 ssl"), "has no port"),
        (("--gateway", "a:1=1", "--token-env", "s3cret-token"), "never the token itself"),
        (("--gateway", "a:1=1", "--token-env", "A)\n"), "never the token itself"),
        (("--gateway", "a:1=1", "--tls-cert", "/a b.pem"), "letters, digits"),
        (("--gateway", "a:1=1", "--tls-cert", "/a.pem\nbind *:1"), "letters, digits"),
        (("--gateway", "a:1=1", "--admin-socket", "/run/x'.sock"), "letters, digits"),
        (("--gateway", "a:1=1", "--out", "/no/such/folder/x.cfg"), "cannot be written"),
    ],
)
def test_what_is_no_name_gets_into_no_file(arguments: tuple[str, ...], words: str) -> None:
    result = made(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]
    assert "s3cret-token" not in result.stderr
    assert not result.stdout


@contextmanager
def answering(status: int, body: str) -> Iterator[int]:
    """A server whose every answer is this; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_gateway_is_asked_for_its_slots_and_they_are_never_guessed() -> None:
    with answering(200, json.dumps({"instance": "g", "slots": 5})) as port:
        result = made("--gateway", f"127.0.0.1:{port}")
        assert f"server g1 127.0.0.1:{port} maxconn 5" in lines(result)
        assert f"127.0.0.1:{port} is g with 5 slots." in result.stderr
    silent = made("--gateway", f"127.0.0.1:{port}")
    assert silent.exit_code == 2
    assert f"write --gateway 127.0.0.1:{port}=SLOTS" in silent.stderr
    for body in ("<html>", '{"slots": 5}', '{"instance": "g", "slots": 0}', '{"instance": "g", "slots": "1 check"}'):
        with answering(200, body) as port:
            assert "is no gateway that tells its slots" in made("--gateway", f"127.0.0.1:{port}").stderr


@pytest.mark.skipif(
    shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None,
    reason="haproxy is not installed (apt-get install haproxy)",
)
def test_haproxy_itself_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "haproxy.cfg"
    socket = ("--admin-socket", tmp_path / "admin.sock")
    assert made(*TWO, *socket, "--check", "--out", out).exit_code == 0
    assert re.search(r"^frontend ", out.read_text(), re.MULTILINE)
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    refused = made(*TWO, *socket, "--check", "--token-env", "NOT_SET_HERE")
    assert refused.exit_code == 2
    assert "set NOT_SET_HERE to the token of the gateways" in refused.stderr
    monkeypatch.setenv("NOT_SET_HERE", "x\"y'z$(id) #")
    assert made(*TWO, *socket, "--check", "--token-env", "NOT_SET_HERE").exit_code == 0


def test_without_haproxy_the_check_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.commands.deploy.haproxy.shutil.which", lambda *_asked, **_more: None)
    result = made(*TWO, "--check")
    assert result.exit_code == 2
    assert "apt-get install haproxy" in result.stderr
