"""Every page over the sample that a fresh clone brings, in a real browser: what they show is what `known.json` counted without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from chromium import CHROMIUM, Visit, visiting
from servers import ROOT, SERVE, Running, opened_store, running

from workbench.store.take_in import take_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
SAMPLE = ROOT / "data" / "sample"


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLE / "known.json").read_text())
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data_dir = tmp_path_factory.mktemp("sample") / "var"
    with opened_store(data_dir) as store:
        take_in(store, [SAMPLE], older=True)
    shutil.copytree(SAMPLE / "audio", data_dir / "audio")
    with running(data_dir, SERVE) as started:
        yield started


@pytest.fixture(scope="module")
def visit(server: Running) -> Iterator[Visit]:
    with visiting(f"{server.url}/sessions", ready="#wb-sessions tbody tr") as visit:
        yield visit


def go(visit: Visit, server: Running, address: str, ready: str) -> None:
    visit.page.goto(f"{server.url}{address}", wait_until="domcontentloaded")
    visit.page.wait_for_selector(ready)


def test_sessions_and_one_with_its_sound(visit: Visit, server: Running, known: dict[str, Any]) -> None:
    page = visit.page
    assert page.inner_text("#wb-count") == f"{known['sessions']} sessions"
    for persona, count in known["personas"].items():
        go(visit, server, f"/sessions/?persona={persona}", "#wb-sessions tbody tr")
        page.wait_for_function(
            "text => document.querySelector('#wb-count').textContent === text", arg=f"{count} of {known['sessions']} sessions"
        )
        assert page.locator("#wb-sessions tbody tr").count() == count
    recorded = sorted((SAMPLE / "audio").glob("*.flac"))[0].stem
    go(visit, server, f"/sessions/?session={recorded}", ".wb-happened tbody tr")
    page.wait_for_function("document.querySelector('audio').readyState > 0")
    assert not visit.complaints


def test_personas_were_talked_to_as_often_as_was_counted(visit: Visit, server: Running, known: dict[str, Any]) -> None:
    go(visit, server, "/personas/", "#wb-people-state[data-state=up]")
    for persona, count in known["personas"].items():
        assert f"{count} talks" in visit.page.inner_text(f"#wb-people [data-persona={persona}]")
    visit.page.click("#wb-people [data-persona=myca] a")
    visit.page.wait_for_selector("#wb-scores th:has-text('Reply latency, median')")
    assert not visit.complaints


def test_latencies_are_those_that_were_counted(visit: Visit, server: Running, known: dict[str, Any]) -> None:
    for engine, median in known["median_reply_ms"].items():
        go(visit, server, f"/latency/?engine={engine}", "#wb-latency-state[data-state=up]")
        cells = visit.page.locator("[data-table=answers_by_engine] tbody tr", has_text=engine).first
        assert cells.locator("[data-column='n']").inner_text() == str(known["answered"][engine])
        shown = cells.locator("[data-column='median, ms ↓']").inner_text().replace("\u2212", "-").replace(",", "")
        assert float(shown) == pytest.approx(median, abs=0.5)
    assert not visit.complaints


def test_the_totals_of_the_topology_are_the_stores(visit: Visit, server: Running, known: dict[str, Any]) -> None:
    go(visit, server, "/topology/", "[data-total=total_sessions][data-state=known]")
    totals = {"active_sessions": 0, "total_sessions": known["sessions"], "total_turns": known["turns"]}
    totals["total_tool_invocations"] = known["tool_invocations"]
    for name, count in totals.items():
        assert visit.page.inner_text(f"[data-total={name}] dd") == str(count)
    go(visit, server, "/tools/", "#wb-tools-state[data-state=up]")
    assert not visit.complaints
    assert not visit.outside
