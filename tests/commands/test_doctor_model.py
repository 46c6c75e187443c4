"""The doctor's words on the Hub: token, licence, and what lies in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from workbench.commands.checks import model
from workbench.commands.checks.finding import Finding
from workbench.engines.personaplex.gpus import Gpu
from workbench.gateway.files import FILES
from workbench.settings import Settings

REPO = "nvidia/personaplex-7b-v1"
OK = httpx.Response(200, json={})
GATED = httpx.Response(
    403, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to model {REPO} is restricted\x07 and you are not in the list"}
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.example")


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


async def ask(answers: dict[str, httpx.Response | Exception], token: str = "hf_secret", **given: object) -> tuple[list[Finding], list[str]]:
    """The findings, and the paths that were asked for."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        told = answers[request.url.path]
        if isinstance(told, Exception):
            raise told
        return told

    found = await model.hugging_face(settings(hf_token=token, **given), httpx.MockTransport(answer))
    assert {request.headers["authorization"] for request in asked} <= {f"Bearer {token}"}
    assert not any(token in f"{one.found}{one.repair}" for one in found), "a token is never told"
    assert all(bool(one.repair) is (one.state != "ok") for one in found)
    return found, [request.url.path for request in asked]


async def test_no_token_asks_nobody() -> None:
    (found,) = await model.hugging_face(settings(), httpx.MockTransport(lambda _request: pytest.fail("somebody was asked")))
    assert (found.state, found.repair) == ("warning", "export HF_TOKEN=hf_...")


async def test_a_token_whose_account_accepted_the_licence() -> None:
    found, asked = await ask({"/api/whoami-v2": OK, f"/api/models/{REPO}/auth-check": OK})
    assert [(one.name, one.state) for one in found] == [("hugging face", "ok"), ("licence", "ok")]
    assert asked == ["/api/whoami-v2", f"/api/models/{REPO}/auth-check"]


async def test_a_licence_that_was_not_accepted_names_the_page() -> None:
    found, _asked = await ask({"/api/whoami-v2": OK, f"/api/models/{REPO}/auth-check": GATED})
    assert [one.state for one in found] == ["ok", "warning"]
    assert f"open https://hub.example/{REPO}, log in and accept its licence" in found[1].found
    assert "restricted  and you are not" in found[1].found, "what the Hub says holds no control characters"
    assert found[1].repair == f"xdg-open https://hub.example/{REPO}"


@pytest.mark.parametrize(("status", "says"), [(401, "There is no"), (404, "There is no"), (503, "is unknown: HTTP 503")])
async def test_other_answers_about_the_licence(status: int, says: str) -> None:
    found, _asked = await ask({"/api/whoami-v2": OK, f"/api/models/{REPO}/auth-check": httpx.Response(status)})
    assert (found[1].state, says in found[1].found) == ("warning", True)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(401), "refused (HTTP 401)"),
        (httpx.Response(502), "answered HTTP 502"),
        (httpx.ConnectError("no network"), "cannot be reached (ConnectError)"),
        (httpx.ConnectTimeout("slow"), "cannot be reached (ConnectTimeout)"),
    ],
    ids=["refused", "broken", "no-network", "slow"],
)
async def test_a_token_that_is_not_accepted(answer: httpx.Response | Exception, says: str) -> None:
    (found,), asked = await ask({"/api/whoami-v2": answer})
    assert (found.state, says in found.found) == ("warning", True)
    assert asked == ["/api/whoami-v2"]


async def test_another_repository_and_a_folder(tmp_path: Path) -> None:
    found, asked = await ask({"/api/whoami-v2": OK, "/api/models/me/mine/auth-check": OK}, gateway="me/mine")
    assert (len(found), asked[-1]) == (2, "/api/models/me/mine/auth-check")
    found, asked = await ask({"/api/whoami-v2": OK}, gateway=str(tmp_path))
    assert (len(found), asked) == (1, ["/api/whoami-v2"])


def cache(files: tuple[str, ...], commit: str, ref: str | None = None) -> None:
    """A revision in the cache, laid out as the Hub's own library does."""
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=REPO, repo_type="model")
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "blobs").mkdir(exist_ok=True)
    for name in files:
        blob = folder / "blobs" / f"{commit}-{name}"
        blob.write_bytes(bytes(1_000_000))
        (folder / "snapshots" / commit / name).symlink_to(blob)
    if ref is not None:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit)


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda there: monkeypatch.setattr(model, "find_gpus", lambda: [Gpu("Card", 81_000, 0)] if there else [])


async def test_cached_revisions_are_told(with_gpu: Callable[[bool], None]) -> None:
    with_gpu(True)
    found = await model.weights(settings())
    assert (found.state, found.repair) == ("warning", f"hf download {REPO}")
    cache(FILES[:-1], "a" * 40)
    found = await model.weights(settings())
    assert (found.state, "only in part: aaaaaaaaaaaa, 0.0 GB without voices.tgz" in found.found) == ("warning", True), found
    cache(FILES, "b" * 40, "main")
    found = await model.weights(settings())
    assert (found.state, "bbbbbbbbbbbb (main), 0.0 GB" in found.found) == ("ok", True), found


async def test_weights_are_only_missed_where_a_gateway_would_run(with_gpu: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(False)
    assert (await model.weights(settings())).state == "ok"
    assert (await model.weights(settings(gateway=REPO))).state == "warning"
    with_gpu(True)
    assert (await model.weights(settings(gateway="off"))).state == "ok"
    assert (await model.weights(settings(personaplex_url="ws://gpu:8998"))).state == "ok"
    monkeypatch.setattr(model, "DOWNLOAD_BYTES", 10**18)
    found = await model.weights(settings())
    assert (found.state, found.repair) == ("warning", f"HF_HOME=/A/LARGER/DISK hf download {REPO}")


async def test_a_folder_of_weights(tmp_path: Path) -> None:
    found = await model.weights(settings(gateway=str(tmp_path)))
    assert (found.state, "voices.tgz" in found.found) == ("error", True)
    for name in FILES[:-1]:
        (tmp_path / name).touch()
    (tmp_path / "voices").mkdir()
    assert (await model.weights(settings(gateway=str(tmp_path)))).state == "ok"
    assert (await model.weights(settings(gateway="no such thing"))).state == "error"
