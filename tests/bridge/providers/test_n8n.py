"""The n8n provider: the contract with n8n itself (the stub always, a real one where it is installed), then what only a stub can play."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from asking import CONFIRMED, Asking
from fastapi.responses import JSONResponse, Response
from n8n_server import HEADER
from waiting import until

from workbench.bridge.providers.n8n import N8nProvider, Webhook, webhook_base
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.spoken import short_form
from workbench.bridge.tool import Tool, ToolError
from workbench.testing.n8n_stub import N8nStub, Workflow, answering, command, slow
from workbench.testing.serving import serving


def webhook(name: str, path: str = "", action: str = "", timeout_s: float = 10.0) -> Webhook:
    place = {"type": "object", "properties": {"place": {"type": "string"}}}
    return Webhook(Tool(name, f"Do {name}", place, "write", timeout_s, provider="n8n"), path or f"workbench/{name}", action)


WEBHOOKS = (webhook("command", action="check"), webhook("slow", timeout_s=1.0), webhook("text"), webhook("inactive"))


@asynccontextmanager
async def asking(url: str, hooks: Sequence[Webhook] = WEBHOOKS, header: tuple[str, str] | None = HEADER) -> AsyncIterator[Asking]:
    provider = N8nProvider(url, hooks, header=header, late_s=20.0)
    try:
        yield await Asking.opened(provider)
    finally:
        await provider.close()


# --- the contract, with the stub and with a real n8n ---------------------------------------------------------------------


async def test_the_body_that_workflows_get(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        result = await ask.call("command", place="attic")
    assert result.spoken == "Did check for personaplex."
    assert dict(result.data) == {
        "ok": True,
        "request_id": "key-1",
        "response_text": "Did check for personaplex.",
        "params": {"place": "attic"},
        "confirm": True,
        "correlation_id": "s1",
    }


async def test_who_asks_and_whether_it_is_confirmed_go_along(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        result = await ask.call("command", dataclasses.replace(CONFIRMED, user="ada", confirmed=False))
    assert result.spoken == "Did check for ada."
    assert result.data["confirm"] is False


async def test_text_that_is_no_json_is_the_answer(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        result = await ask.call("text")
    assert short_form(result.spoken).startswith("The greenhouse is at 21 degrees Celsius")


async def test_an_inactive_workflow_is_called_one(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        with pytest.raises(ToolError, match=r"no active workflow for POST workbench/inactive: .* activate it.*n8n says: .*not registered"):
            await ask.call("inactive")


@pytest.mark.parametrize("header", [None, (HEADER[0], "wrong"), ("X-Other", HEADER[1])])
async def test_a_wrong_token_is_called_one(webhooks: str, header: tuple[str, str] | None) -> None:
    async with asking(webhooks, header=header) as ask:
        with pytest.raises(ToolError, match=r"refused the token of workbench/command \(HTTP 403"):
            await ask.call("command")


async def test_the_state_tells_which_workflows_are_active_and_runs_none(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        state = await ask.provider.probe()
    assert state.ready
    assert "3 of 4 workflows active" in state.reason
    assert state.repair == "Activate the workflow of workbench/inactive in n8n."
    assert state.latency_ms is not None


async def test_a_workflow_goes_on_when_the_wait_for_it_is_over(webhooks: str) -> None:
    async with asking(webhooks) as ask:
        call = asyncio.create_task(ask.call("slow"))
        await asyncio.sleep(0.2)
        call.cancel()
        assert (await call).data["request_id"] == "key-1"


async def test_broken_json_and_another_method_are_refused_as_n8n_does(webhooks: str) -> None:
    """What the stub claims of n8n, beyond what the provider ever sends."""
    async with httpx.AsyncClient(base_url=webhooks, trust_env=False) as http:
        json = {"content-type": "application/json"}
        broken = await http.post("/workbench/slow", content=b'{"a": ', headers=json)
        other = await http.get("/workbench/slow")
        missing = await http.post("/workbench/nowhere", json={})
        untold = await http.post("/workbench/command", content=b"{", headers=json)
        asking_how = {"Origin": "http://127.0.0.1", "Access-Control-Request-Method": "POST"}
        active, inactive = [await http.options(f"/workbench/{path}", headers=asking_how) for path in ("slow", "inactive")]
    assert (broken.status_code, broken.json()["message"]) == (422, "Failed to parse request body")
    assert (other.status_code, "Did you mean to make a POST request?" in other.json()["message"]) == (404, True)
    assert (missing.status_code, missing.json()["code"]) == (404, 404)
    assert untold.status_code == 422, "the body is looked at before the token"
    assert (active.status_code, active.headers["access-control-allow-methods"]) == (204, "OPTIONS, POST")
    assert (inactive.status_code, inactive.headers["access-control-allow-methods"]) == (500, "OPTIONS")


# --- the stub alone ------------------------------------------------------------------------------------------------------


async def test_a_workflow_works_as_soon_as_it_is_activated() -> None:
    n8n = N8nStub([Workflow("a", command, active=False)])
    async with serving(n8n.app) as url, asking(url, [webhook("a", "a")]) as ask:
        assert "0 of 1 workflows active" in (await ask.provider.probe()).reason
        n8n.workflows["a"] = Workflow("a", command)
        assert (await ask.call("a")).spoken == "Did a for personaplex."
        state = await ask.provider.probe()
        assert "1 of 1 workflows active" in state.reason
        assert state.repair == ""


async def test_the_stub_finishes_what_its_client_gave_up() -> None:
    n8n = N8nStub([Workflow("slow", slow(0.2))])
    async with serving(n8n.app) as url:
        async with httpx.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(f"{url}/webhook/slow", json={"request_id": "r"}, timeout=0.05)
        assert n8n.finished == []
        await until(lambda: n8n.finished == [("slow", {"request_id": "r"})])


@pytest.mark.parametrize(
    ("response", "spoken"),
    [
        (JSONResponse({"slots": ["09:00", "10:30"], "status": "ok", "free": True, "more": {"a": 1}}), "slots: 09:00, 10:30, free: yes"),
        (JSONResponse([1, 2, 3, 4, 5, 6, 7]), "items: 1, 2, 3, 4, 5 and 2 more"),
        (JSONResponse("done and dusted"), "done and dusted"),
        (JSONResponse({"message": "Workflow was started"}), "Workflow was started"),
        (Response(b"", 200), "The workflow took it and answered nothing."),
        (JSONResponse({}), "The workflow took it and answered nothing."),
        (Response(b"\xff\xfe plain", media_type="text/plain"), "\ufffd\ufffd plain"),
    ],
)
async def test_what_workflows_answer_is_said(response: Response, spoken: str) -> None:
    n8n = N8nStub([Workflow("a", answering(lambda: response))])
    async with serving(n8n.app) as url, asking(url, [webhook("a", "a")]) as ask:
        assert (await ask.call("a")).spoken == spoken


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (JSONResponse({"message": "Error in workflow"}, 500), r"failed \(HTTP 500\) \(n8n says: Error in workflow\)"),
        (JSONResponse({"error": "action is missing"}, 400), "n8n says: action is missing"),
        (JSONResponse({"ok": False, "message": "no such device"}), "says that it failed: no such device"),
        (JSONResponse({"status": "error"}), "does not say why"),
        (Response(b"{", media_type="application/json"), "broken JSON"),
        (Response(b'{"a": NaN}', media_type="application/json"), "broken JSON"),
        (Response(b"[" * 100_000, media_type="application/json"), "broken JSON"),
        (JSONResponse({}, 429, {"Retry-After": "90"}), "come back in 90 s"),
        (Response(status_code=418), "HTTP 418"),
    ],
)
async def test_what_workflows_do_wrong_is_told(response: Response, says: str) -> None:
    n8n = N8nStub([Workflow("a", answering(lambda: response))])
    async with serving(n8n.app) as url, asking(url, [webhook("a", "a")]) as ask:
        with pytest.raises(ToolError, match=says):
            await ask.call("a")


async def test_the_secret_is_told_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    n8n = N8nStub([Workflow("a", answering(lambda: JSONResponse({"error": f"wrong token {HEADER[1]}"}, 400)))])
    async with serving(n8n.app) as url, asking(url, [webhook("a", "a")]) as ask:
        with pytest.raises(ToolError) as refused:
            await ask.call("a")
        assert HEADER[1] not in repr(ask.provider) + str(refused.value)
    assert HEADER[1] not in caplog.text


async def test_n8n_that_is_not_there_says_how_to_mend_it() -> None:
    async with serving(N8nStub([]).app) as url:
        pass
    provider = N8nProvider(url)
    with pytest.raises(ToolError, match="not reachable; start it, or correct N8N_WEBHOOK_URL"):
        await provider.open()
    assert not (await provider.probe()).ready
    await provider.close()


async def test_without_a_declared_tool_any_workflow_can_be_asked_for() -> None:
    n8n = N8nStub([Workflow("myca/command", command)])
    async with serving(n8n.app) as url, asking(f"{url}/webhook", ()) as ask:
        registry = Registry()
        registry.add(ask.provider, *ask.tools)
        intent = await RulesClassifier(registry).classify("please run the nightly backup workflow", None)
        assert (intent.kind, dict(intent.arguments)) == ("command", {"workflow": "nightly backup"})
        result = await ask.call("run_workflow", **intent.arguments)
    assert result.data["params"] == {"workflow": "nightly backup"}


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://h:5678", "http://h:5678/webhook"),
        ("http://h:5678/", "http://h:5678/webhook"),
        ("http://h:5678/webhook", "http://h:5678/webhook"),
        ("http://h:5678/webhook/webhook/", "http://h:5678/webhook"),
        ("https://h/n8n/hooks/", "https://h/n8n/hooks"),
        ("https://h/n8n/webhook", "https://h/n8n/webhook"),
    ],
)
def test_the_base_address_never_doubles(given: str, base: str) -> None:
    assert webhook_base(given) == base


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a?b", "a b", "http://evil.test"])
def test_a_path_is_only_a_path(path: str) -> None:
    with pytest.raises(ToolError, match="path"):
        Webhook(Tool("a", "Do a", provider="n8n"), path)
