"""The Latency page and the Topology page on one real server whose store is known, in a real browser."""

from __future__ import annotations

import csv
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import CHROMIUM, Visit, visiting
from playwright.sync_api import Locator, Route
from servers import Running, opened_store, running
from websockets.sync.client import connect

from tests.analysis.known_talks import fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
SCRIPT = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"
PICTURES = "WORKBENCH_TAKE_PICTURE"
"""Set: the pages are kept as the README's pictures."""
MEDIAN = (
    "SELECT median(t.latency_ms) AS ms, count(*) AS n FROM voice_turns t JOIN voice_sessions s ON s.session_id = t.session_id "
    "WHERE t.speaker = 'agent' AND t.latency_ms IS NOT NULL AND s.engine = 'classic' AND s.persona = $1"
)


INSIDE = """() => [...document.querySelectorAll("#wb-edges path")].every((path) => {
  const box = path.getBBox();
  return path.getTotalLength() > 10 && box.x >= 0 && box.x + box.width <= innerWidth;
})"""
"""Edges are drawn again a moment after the width has changed."""


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What the store told before the server had it."""
    return {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, known: dict[str, Any]) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("pages") / "var"
    folder.mkdir()
    with opened_store(folder) as store:
        fill(store)
        store.write(("UPDATE voice_sessions SET persona = $1 WHERE persona = 'slow'", [SCRIPT]))
        store.write(("UPDATE voice_tool_invocations SET action = $1", [SCRIPT]))
        known["quick"] = store.query(MEDIAN, ["quick"])[0]
        known[SCRIPT] = store.query(MEDIAN, [SCRIPT])[0]
    with running(folder) as started:
        yield started


@contextmanager
def latency_page(server: Running, query: str = "", state: str = "up", **context: Any) -> Iterator[Visit]:
    with visiting(f"{server.url}/latency{query}", wav=None, ready=f"#wb-latency-state[data-state={state}]", **context) as visit:
        yield visit
        assert (visit.complaints, visit.outside) == ([], [])
        assert visit.page.evaluate("window.stolen") is None


def shown(visit: Visit, table: str, first: str) -> dict[str, str]:
    """One row of a table as the page shows it, by its headings."""
    row = visit.page.locator(f"[data-table={table}] tbody tr", has_text=first).first
    cells: dict[str, str] = row.evaluate("row => Object.fromEntries([...row.cells].map((cell) => [cell.dataset.column, cell.textContent]))")
    return cells


def test_latencies_are_those_of_the_store_and_the_address_says_which(server: Running, known: dict[str, Any]) -> None:
    with latency_page(server, "?engine=classic") as visit:
        page = visit.page
        quick = shown(visit, "answers_by_persona", "quick")
        assert (quick["n"], quick["median, ms ↓"]) == (str(known["quick"]["n"]), f"{known['quick']['ms']:,.0f}")
        hostile = shown(visit, "answers_by_persona", "<script>")
        assert hostile["persona"] == SCRIPT, "what people wrote is text"
        assert hostile["median, ms ↓"] == f"{known[SCRIPT]['ms']:,.0f}"
        assert SCRIPT in page.inner_text("[data-table=tools]")
        assert page.locator(".wb-drawing[data-drawn] .main-svg").count() >= 10
        assert page.locator("#wb-report-body script, #wb-report-body img").count() == 0

        page.select_option("select[name=persona]", "quick")
        page.wait_for_selector("#wb-facts:has-text('persona quick')")
        page.wait_for_selector("#wb-latency-state[data-state=up]")
        assert page.url.endswith("?engine=classic&persona=quick")
        assert page.locator("[data-table=answers_by_persona] tbody tr").count() == 1
        with page.expect_download() as download:
            page.click("[data-table=answers_by_persona] .wb-file")
        (row,) = csv.DictReader(download.value.path().read_text().splitlines())
        assert float(row["median_ms"]) == pytest.approx(known["quick"]["ms"])
        with page.expect_download() as download:
            page.click("#wb-report")
        assert "persona quick" in download.value.path().read_text("utf-8")
        page.go_back()
        page.wait_for_selector("[data-table=answers_by_persona] tr:has-text('<script>')")


def test_what_is_empty_or_down_says_what_to_do(server: Running) -> None:
    with latency_page(server, "?window=1h", state="empty") as visit:
        assert "There are 14 in all" in visit.page.inner_text("#wb-latency-state")
        assert visit.page.evaluate("performance.getEntriesByType('resource').filter((one) => one.name.includes('plotly')).length") == 0
        visit.page.select_option("select[name=window]", "days")
        visit.page.fill("input[name=until]", "2026-05-04")
        visit.page.wait_for_selector("#wb-latency-state[data-state=up]:has-text('4 of 14')")
        visit.page.route("**/api/latency?*", lambda route: route.fulfill(status=503, json={"error": "The store is closed."}))
        visit.page.select_option("select[name=engine]", "echo")
        visit.page.wait_for_selector("#wb-latency-state[data-state=down]:has-text('The store is closed.')")
        visit.complaints.clear()


def test_the_latency_page_in_both_themes_and_widths(server: Running) -> None:
    with latency_page(server, color_scheme="dark", viewport={"width": 390, "height": 860}) as visit:
        page = visit.page
        for scheme, width in (("dark", 390), ("light", 1280)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 860})
            page.wait_for_function(f"document.querySelectorAll('.wb-drawing[data-drawn={scheme}]').length >= 10")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "the page scrolls sideways"
            assert page.evaluate("[...document.querySelectorAll('.wb-counted')].every((one) => one.scrollWidth <= one.clientWidth)")
            if folder := os.environ.get(PICTURES):
                page.screenshot(path=Path(folder) / f"latency-{scheme}-{width}.png", full_page=True)
        page.focus("select[name=window]")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "engine"


@contextmanager
def topology_page(server: Running, **context: Any) -> Iterator[Visit]:
    with visiting(f"{server.url}/topology", wav=None, ready="#wb-topology-state[data-state=up]", **context) as visit:
        yield visit
        assert (visit.complaints, visit.outside) == ([], [])
        assert visit.page.evaluate("window.stolen") is None


@contextmanager
def talking(server: Running) -> Iterator[str]:
    """A talk over the WebSocket while it is needed: its session id."""
    before = {talk["session_id"] for talk in httpx.get(f"{server.url}/api/topology").json()["talks"]}
    with connect(f"{server.url.replace('http', 'ws')}/api/chat?engine=echo&persona=casual") as websocket:
        websocket.recv()
        (new,) = {talk["session_id"] for talk in httpx.get(f"{server.url}/api/topology").json()["talks"]} - before
        # Whoever does not read is cut off after a while.
        reading = threading.Thread(target=deque, args=(websocket, 0))
        reading.start()
        yield new
        websocket.close()
        reading.join()


def totals(visit: Visit) -> dict[str, str]:
    tiles = visit.page.locator("[data-total]").all()
    return {str(tile.get_attribute("data-total")): tile.locator("dd").inner_text() for tile in tiles}


def node(visit: Visit, name: str) -> Locator:
    return visit.page.locator(f"[data-node='{name}']")


def hostile(route: Route) -> None:
    """The server's answer with names and reasons that are script: a user, a persona, an engine, a provider."""
    told = route.fetch().json()
    talk = {"session_id": "s", "user": SCRIPT, "persona": SCRIPT, "engine": SCRIPT, "transport": SCRIPT}
    told["talks"] = [talk | {"minutes": 1.0, "turns": 1, "tools": 0, "step_ms": None}]
    told["engines"][SCRIPT] = told["engines"]["echo"] | {"state": "unavailable", "reason": SCRIPT, "repair": SCRIPT}
    told["providers"][0] |= {"name": SCRIPT, "ready": False, "reason": SCRIPT}
    route.fulfill(json=told)


def test_nobody_talks_and_what_does_not_answer_is_unknown(server: Running) -> None:
    with topology_page(server) as visit:
        stats = httpx.get(f"{server.url}/api/mas/voice/sessions").json()["stats"]
        assert totals(visit) == {name: f"{count:,}" for name, count in stats.items()}
        assert node(visit, "nobody").get_attribute("data-state") == "idle"
        assert node(visit, "gateway").get_attribute("data-state") == "unknown"
        assert "places unknown" in " ".join(node(visit, "gateway").inner_text().split()), "nobody answers, so nobody knows: no zero"
        assert "read" in node(visit, "store").inner_text()
        page = visit.page
        page.route("**/api/topology", lambda route: route.abort())
        page.wait_for_selector("#wb-topology-state[data-state=down]")
        assert set(totals(visit).values()) == {"unknown"}
        nodes = page.locator(".node")
        assert nodes.count() == page.locator(".node[data-state=unknown]").count() > 8
        assert page.locator("#wb-edges path:not([data-state=unknown])").count() == 0
        page.unroute("**/api/topology")
        page.route("**/api/topology", hostile)
        page.locator(".node", has_text=SCRIPT).nth(3).wait_for()
        assert page.locator("#wb-map script, #wb-map img").count() == 0, "what people, personas and tools are called is text"
        page.unroute("**/api/topology")
        page.wait_for_selector("[data-node=nobody]")
        page.click("text=Have a talk")
        page.wait_for_selector("#wb-start")
        visit.complaints.clear()


def test_who_talks_is_drawn_with_what_it_rests_on_and_can_be_ended(server: Running) -> None:
    message = {"message": f"what is two plus two {SCRIPT}", "conversation_id": "topology-1"}
    written = httpx.post(f"{server.url}/api/mas/voice/orchestrator", json=message, timeout=60).raise_for_status().json()["session_id"]
    with talking(server) as spoken, topology_page(server) as visit:
        page = visit.page
        mine, other = node(visit, f"talk:{spoken}"), node(visit, f"talk:{written}")
        assert mine.locator(".now").inner_text() == "echo"
        assert "80 ms" in mine.inner_text()
        row = httpx.get(f"{server.url}/voice/sessions/{written}").json()
        assert f"turns {row['turn_count']} tools {row['tool_count']}" in " ".join(other.inner_text().split())
        for start, end in (("way:websocket", f"talk:{spoken}"), (f"talk:{spoken}", "engine:echo"), (f"talk:{written}", "engine:text")):
            edge = page.locator(f"#wb-edges path[data-from='{start}'][data-to='{end}']")
            assert edge.get_attribute("data-state") == "live"
            assert edge.evaluate("path => path.getTotalLength()") > 10
        # One question for the whole page.
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_response("**/api/topology"):
            pass
        page.wait_for_selector("#wb-topology-state[data-state=up]")
        assert {url.removeprefix(server.url) for url in asked} == {"/api/topology"}

        for scheme, width in (("dark", 390), ("light", 1280)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 860})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "the page scrolls sideways"
            assert page.evaluate("[...document.querySelectorAll('.node')].every((one) => one.scrollWidth <= one.clientWidth)")
            page.wait_for_function(INSIDE)
            if folder := os.environ.get(PICTURES):
                page.screenshot(path=Path(folder) / f"topology-{scheme}-{width}.png", full_page=True)

        button = mine.locator(".end")
        button.focus()
        page.keyboard.press("Enter")
        assert button.inner_text() == "End this talk?"
        with page.expect_response("**/api/topology"):
            pass
        assert page.evaluate("document.activeElement.className") == "end", "the keyboard keeps its place over a refresh"
        page.keyboard.press("Escape")
        assert button.inner_text() == "End"
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        mine.wait_for(state="detached")
        assert httpx.get(f"{server.url}/voice/sessions/{spoken}").json()["ended_reason"] == "ended_by_api"
        httpx.delete(f"{server.url}/voice/sessions/{written}").raise_for_status()


def test_a_program_that_unpacks_nothing_gets_the_script_too(server: Running) -> None:
    packed = httpx.get(f"{server.url}/talk/plotly.js")
    assert packed.headers["content-encoding"] == "gzip"
    plain = httpx.get(f"{server.url}/talk/plotly.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == packed.text
    assert "immutable" in plain.headers["cache-control"]
