from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.gateway.checkpoint import CheckpointError
from workbench.gateway.hub import fetch_checkpoint


class Answer(http.server.BaseHTTPRequestHandler):
    status = 404
    error_code = ""
    token = None

    def do_GET(self) -> None:
        Answer.token = self.headers.get("Authorization")
        self.send_response(self.status)
        if self.error_code:
            self.send_header("X-Error-Code", self.error_code)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "GatedRepo", r"is gated: open http://\S+/nvidia/tiny, accept"),
        (401, "GatedRepo", "is gated"),
        (401, "RepoNotFound", "no such repository"),
        (404, "RepoNotFound", "no such repository"),
        (404, "RevisionNotFound", "no revision v1"),
        (401, "", "no such repository|not accepted"),
        (403, "", "not accepted"),
        (500, "", "try again later"),
    ],
)
def test_answers_of_the_hub(hub: str, monkeypatch: pytest.MonkeyPatch, status: int, code: str, message: str) -> None:
    monkeypatch.setattr(Answer, "status", status)
    monkeypatch.setattr(Answer, "error_code", code)
    with pytest.raises(CheckpointError, match=message) as caught:
        fetch_checkpoint("nvidia/tiny", revision="v1", token="hf_secret", endpoint=hub)
    assert "hf_secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Answer.token == "Bearer hf_secret"


def test_without_a_network_the_cache_serves(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "c" * 40
    kept = tmp_path / "models--nvidia--tiny"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    (kept / "snapshots").mkdir()
    (kept / "snapshots" / commit).symlink_to(tiny_folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = fetch_checkpoint("nvidia/tiny", endpoint="http://127.0.0.1:9")
    assert (found.revision, found.source) == (commit, "nvidia/tiny")


def test_no_network() -> None:
    with pytest.raises(CheckpointError, match="check the network"):
        fetch_checkpoint("nvidia/tiny", endpoint="http://127.0.0.1:9")
