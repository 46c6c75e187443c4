"""Every documented route is asked for what nobody thought of: no answer is a fault of the server, and each is one that the document
tells of. The same with a password; and without it, nothing but 401."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from deaf_asr import DeafAsr
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks
from server_thread import ServerThread

from tests.store.talks_in_store import keep
from workbench.settings import Settings
from workbench.testing.tts import ToneTts

PASSWORD = "opens everything"
SESSION = "known-session"
KNOWN = {"session_id": SESSION, "persona_id": "myca", "name": "arithmetic"}
"""What exists under the names of path parameters: half of the requests go there."""
NEVER_THERE = {
    "DELETE /voice/sessions/{session_id}",
    "GET /api/blind/{trial_id}",
    "POST /api/blind/{trial_id}/vote",
    "DELETE /api/voices/{name}",
    "DELETE /api/tokens/{token_id}",
}
"""No talk goes on here, a trial's id is a secret, and no voice or token of these names was made."""
CHECKS: list[Any] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
]
"""Not `positive_data_acceptance`: an engine's name that no engine has fits the schema, and is refused."""


@pytest.fixture(params=["open", "password"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerThread]:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    password = SecretStr(PASSWORD) if request.param == "password" else None
    settings = Settings(
        _env_file=None, data_dir=tmp_path / "var", personas_dir=None, test_engines=True, turn_fixed_hold_ms=500.0, password=password
    )
    with ServerThread(settings, DeafAsr(), [ToneTts(voices=("slt", "rms"))]) as running:
        keep(running.bench.store, settings.audio_dir, SESSION, frames=20)  # type: ignore[arg-type]  # a DuckDB store, and no other
        yield running


def with_known(case: Any) -> Any:
    """The same request of something that is there."""
    known = {name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
    case.path_parameters = known or case.path_parameters
    return case


def asked(session: requests.Session, operation: Any, mode: GenerationMode, *, max_examples: int) -> tuple[set[int], list[str]]:
    """Asks one route. Gives the statuses that came, and what was wrong with an answer."""
    statuses: set[int] = set()
    made = operation.as_strategy(generation_mode=mode)

    @examples(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=made | made.map(with_known) if mode is GenerationMode.POSITIVE else made)
    def ask(case: Any) -> None:
        answer = case.call(session=session, timeout=30)
        statuses.add(answer.status_code)
        # 413 is a rejection too, which the last check does not know.
        case.validate_response(answer, checks=CHECKS[:-1] if answer.status_code == 413 else CHECKS)
        # 503 with its reason is an answer: no PersonaPlex is there.
        assert answer.status_code < 500 or answer.status_code == 503, answer.text

    try:
        ask()
    except BaseExceptionGroup as fault:
        return statuses, [str(one) for one in fault.exceptions]
    except AssertionError as fault:
        return statuses, [str(fault)]
    return statuses, []


@pytest.mark.slow
def test_no_request_is_a_fault_of_the_server(server: ServerThread) -> None:
    login = server.bench.settings.password is not None
    session = requests.Session()
    if login:
        session.headers["Authorization"] = f"Bearer {PASSWORD}"
    document = session.get(f"{server.url}/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    seen: dict[str, set[int]] = {}
    faults: list[str] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        route = f"{operation.method.upper()} {operation.path}"
        # A route that takes nothing, or any text in its path, cannot be asked for what its schema forbids.
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if operation.body or operation.query else (GenerationMode.POSITIVE,)
        for mode in modes:
            statuses, wrong = asked(session, operation, mode, max_examples=2 if login else 6)
            seen.setdefault(route, set()).update(statuses)
            faults += [f"{route}: {one}" for one in wrong]
    assert not faults, "\n\n".join(faults)
    assert not server.errors
    assert len(seen) == sum(len(methods) for methods in document["paths"].values()) > 40
    assert {route for route, statuses in seen.items() if statuses == {404}} <= NEVER_THERE
    assert httpx.get(f"{server.url}/health", timeout=10).status_code == 200
    if login:
        without = {
            (method, path): httpx.request(method.upper(), f"{server.url}{path}", timeout=10)
            for path, methods in document["paths"].items()
            for method in methods
            if path != "/health"
        }
        assert {answer.status_code for answer in without.values()} == {401}
        assert {answer.json()["code"] for answer in without.values()} == {"login"}
