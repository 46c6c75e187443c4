"""The Tools page as an operator has it: a real server with a real MCP server behind it, one that is away, and a real browser."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import CHROMIUM, Visit, visiting
from servers import ROOT, SERVE, Running, running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
SCRIPT = "<script>window.stolen = 1</script>"
FILE = f"""
[[mcp]]
name = "box"
command = {json.dumps(sys.executable)}
args = [{json.dumps(str(ROOT / "tests" / "bridge" / "tools_server.py"))}]
tiers = {{ slow = "read" }}

[[mcp]]
name = "far"
url = "http://127.0.0.1:9/mcp"
"""
PICTURES = "WORKBENCH_TAKE_PICTURE"
"""Set: the page is kept as the README's picture."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tools")
    (folder / "tools.toml").write_text(FILE)
    with running(folder / "var", (*SERVE, "--tools-file", str(folder / "tools.toml"))) as started:
        yield started


@contextmanager
def tools_page(server: Running, query: str = "", **context: Any) -> Iterator[Visit]:
    """The page with every provider asked."""
    with visiting(f"{server.url}/tools{query}", ready="#wb-tools-state[data-state=up]", **context) as visit:
        visit.page.wait_for_selector("[data-provider=box][data-state=ready]")
        visit.page.wait_for_selector("#wb-trial-run:enabled")
        yield visit


def test_providers_are_shown_as_the_api_tells(server: Running) -> None:
    with tools_page(server) as visit:
        told = httpx.get(f"{server.url}/api/tools").json()
        assert visit.page.locator("#wb-providers > li").count() == len(told["providers"])
        assert set(visit.page.locator("#wb-tools > li").evaluate_all("rows => rows.map((row) => row.dataset.tool)")) == {
            tool["name"] for tool in told["tools"]
        }
        far = visit.page.locator("[data-provider=far]")
        assert far.get_attribute("data-state") == "unavailable"
        assert "not answered" in far.inner_text()
        assert "See that the MCP server far runs" in far.inner_text()
        assert "destructive" in visit.page.locator("[data-tool=wipe]").inner_text()
        assert not visit.complaints
        assert not visit.outside


def test_a_read_runs_and_what_destroys_waits_for_its_phrase(server: Running) -> None:
    with tools_page(server) as visit:
        page = visit.page
        page.click("[data-tool=arithmetic] .try")
        page.fill("#wb-trial-arguments", '{"expression": "6*7"}')
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=success]:has-text('42')")
        page.click("[data-tool=wipe] .try")
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=waiting]")
        assert "cannot be undone" in page.inner_text("#wb-trial-plan")
        page.fill("#wb-trial-phrase", "yes")
        page.click("#wb-trial-run")
        page.wait_for_function("document.querySelector('#wb-trial-phrase').value === ''")
        page.wait_for_selector(".card[data-status=waiting]")
        page.fill("#wb-trial-phrase", "confirm irreversible action")
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=success]")
        page.fill("#wb-trial-arguments", "{no json")
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=error]:has-text('no JSON')")


def test_what_writes_waits_for_its_own_words(server: Running) -> None:
    with tools_page(server) as visit:
        page = visit.page
        page.click("[data-tool=keep] .try")
        page.fill("#wb-trial-arguments", '{"text": "milk"}')
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=waiting]")
        page.fill("#wb-trial-phrase", "confirm and proceed")
        page.click("#wb-trial-run")
        page.wait_for_selector(".card[data-status=success]")
        assert page.locator("#wb-trial-word").is_hidden()


def test_a_keyboard_keeps_its_place_and_an_unanswered_page_says_unknown(server: Running) -> None:
    with tools_page(server) as visit:
        page = visit.page
        page.focus("[data-tool=arithmetic] .try")
        # The second answer is asked for only after the first was drawn.
        for _refresh in range(2):
            with page.expect_response("**/api/tools"):
                pass
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Try arithmetic"
        page.route("**/api/tools", lambda route: route.abort())
        page.wait_for_selector("#wb-tools-state[data-state=down]")
        assert page.locator("#wb-providers > li .now").all_inner_texts() == ["unknown"] * page.locator("#wb-providers > li").count()
        assert page.locator("#wb-providers > [data-state=ready]").count() == 0
        page.unroute("**/api/tools")
        page.wait_for_selector("[data-provider=box][data-state=ready]")


def test_what_tools_and_users_write_stays_text(server: Running) -> None:
    message = {"message": f"what is two plus two {SCRIPT}", "conversation_id": "audit-1"}
    httpx.post(f"{server.url}/api/mas/voice/orchestrator", json=message, timeout=60).raise_for_status()
    with tools_page(server) as visit:
        visit.page.locator("#wb-audit .decision", has_text=SCRIPT).first.wait_for()
        visit.page.click("[data-tool=arithmetic] .try")
        visit.page.fill("#wb-trial-arguments", json.dumps({"expression": SCRIPT}))
        visit.page.click("#wb-trial-run")
        visit.page.locator(".card pre", has_text=SCRIPT).wait_for()
        assert visit.page.evaluate("window.stolen") is None


def test_a_talk_is_audited_under_an_address_of_its_own(server: Running) -> None:
    message = {"message": "what is twelve times seven", "conversation_id": "audit-2"}
    told = httpx.post(f"{server.url}/api/mas/voice/orchestrator", json=message, timeout=60).json()
    assert "eighty four" in told["response_text"]
    rows = httpx.get(f"{server.url}/voice/sessions", params={"all": "true"}).json()["sessions"]
    session = next(row["session_id"] for row in rows if row["conversation_id"] == "audit-2")
    for scheme, width in (("dark", 390), ("light", 1280)):
        with tools_page(server, f"?session={session}", color_scheme=scheme, viewport={"width": width, "height": 860}) as visit:
            visit.page.wait_for_selector("#wb-audit .decision:has-text('twelve times seven')")
            visit.page.wait_for_selector("#wb-audit .invocation[data-status=success]:has-text('arithmetic')")
            turns = httpx.get(f"{server.url}/api/tools/turns").json()["text"]
            assert f"{turns['n']} results were delivered" in visit.page.inner_text("#wb-turns [data-engine=text]")
            assert visit.page.input_value("#wb-audit-session") == session
            assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "the page scrolls sideways"
            if folder := os.environ.get(PICTURES):
                visit.page.screenshot(path=Path(folder) / f"tools-{scheme}-{width}.png", full_page=True)
    with visiting(server.url, wav=None) as visit:
        visit.page.click(".wb-nav a[href='/tools']")
        visit.page.wait_for_selector("#wb-tools-state[data-state=up]")
