"""The Sessions page as a researcher has it: ten thousand sessions that came through the recorder, one to listen to, one that goes on."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from chromium import CHROMIUM, Visit, visiting
from many_sessions import ENGINES, PERSONAS, fill, has_barge_in, has_tool, reply_ms
from playwright.sync_api import Page, Route
from servers import CLI, CLIPS, SERVE, Running, clean_environment, opened_store, running

from tests.analysis.known_talks import at, broke_in, edge, spoke
from tests.store.talk_script import chosen, closed, opened, play, tool_started
from workbench import events
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
MANY = 10_000
SCRIPT = "<script>window.stolen = 1</script>"
PICTURES = "WORKBENCH_TAKE_PICTURE"
"""Set: a real talk is held and shown, and the page is kept as the README's picture."""
LENGTH_S = 9.6
REPLY_MS = 350.0
STOP_MS = 240.0
BROKE_IN_S = 5.0
ROWS = "#wb-sessions tbody tr"
HAPPENED = ".wb-happened tbody tr"


def keep_talk(store: DuckDbStore, audio_dir: Path, session_id: str, *, reply: float = REPLY_MS) -> None:
    """A recorded talk of 9.6 s whose times are all known. Everything that somebody wrote in it is a script."""
    recorder = Recorder(store, audio_dir)
    first = dataclasses.replace(opened(session_id), persona=SCRIPT, pace="realtime")
    failed = events.ToolFailed(
        at_samples=at(2.4), noticed_samples=at(2.4), invocation_id="call-1", tool="time_in", error=SCRIPT, latency_ms=120.0
    )
    late = events.FrameTiming(at_samples=at(4), noticed_samples=at(4), frame=50, late_ms=95.0, listen_ms=1.0, engine_ms=1.0, total_ms=3.0)
    words = events.AgentText(at_samples=at(2.5), noticed_samples=at(2.5), text=f" {SCRIPT}", forced=True)
    script = [
        *(dataclasses.replace(event, text=SCRIPT) if isinstance(event, events.TurnEnded) else event for event in spoke("user", 1, 2)),
        tool_started(2.2),
        failed,
        edge("agent", "start", 2.5),
        words,
        *spoke("agent", 2.5, 5.24, reply)[1:],
        broke_in(BROKE_IN_S, "yielded", STOP_MS),
        late,
        closed(LENGTH_S),
    ]
    play(recorder.observer(), first, chosen(), *script, frames=round(LENGTH_S / 0.08))
    recorder.close()


def hold_a_real_talk(folder: Path, data_dir: Path) -> None:
    """Through the workbench's own command, with clips as the user."""
    parts: tuple[str | float, ...] = (1.0, "time_tokyo", 5.5, "times_slt", 2.3, "barge_in", 2.2, "plus", 6.0)
    sounds = [
        np.zeros(round(part * 16_000)) if isinstance(part, float) else soundfile.read(CLIPS / f"synthetic/{part}.wav")[0] for part in parts
    ]
    soundfile.write(folder / "user.wav", np.concatenate(sounds), 16_000)
    command = [*CLI, "talk", str(folder / "user.wav"), "--realtime", "--data-dir", str(data_dir)]
    subprocess.run(command, check=True, env=clean_environment(), cwd=folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("sessions")
    data_dir = folder / "var"
    with opened_store(data_dir) as store:
        fill(store, MANY)
        for session_id, reply in (("seen", REPLY_MS), ("other", REPLY_MS + 400), ("goner", REPLY_MS)):
            keep_talk(store, data_dir / "audio", session_id, reply=reply)
        store.flush()
    if os.environ.get(PICTURES):
        hold_a_real_talk(folder, data_dir)
    with running(data_dir, SERVE) as started:
        yield started


@pytest.fixture(scope="module")
def visit(server: Running) -> Iterator[Visit]:
    """One browser for all: each test goes to an address of its own."""
    with visiting(f"{server.url}/sessions", ready=ROWS) as visit:
        visit.page.add_init_script("addEventListener('seeking', ({ target }) => { window.sought = target.currentTime; }, true);")
        yield visit


def go(visit: Visit, server: Running, query: str, ready: str) -> Page:
    visit.page.goto(f"{server.url}/sessions/{query}", wait_until="domcontentloaded")
    visit.page.wait_for_selector(ready)
    return visit.page


def counted(page: Page, text: str) -> None:
    page.wait_for_function("text => document.querySelector('#wb-count').textContent === text", arg=text)


def first_session(page: Page) -> str | None:
    return page.locator(ROWS).first.get_attribute("data-session")


def wait_for_first(page: Page, session_id: str) -> None:
    page.wait_for_selector(f"{ROWS}:first-child[data-session={session_id}]")


def stored(server: Running, session_id: str) -> dict[str, Any]:
    """The session as the store has it."""
    answer: dict[str, Any] = httpx.get(f"{server.url}/voice/sessions/{session_id}").raise_for_status().json()
    return answer


def test_ten_thousand_sessions_are_searched_filtered_sorted_and_paged(visit: Visit, server: Running) -> None:
    page = go(visit, server, "", ROWS)
    all_of_them = httpx.get(f"{server.url}/api/sessions").json()["stored"]
    assert all_of_them >= MANY + 3
    counted(page, f"{all_of_them:,} sessions")
    assert page.locator(ROWS).count() == 50
    page.fill("[name=search]", "words of u-9876")
    counted(page, f"1 of {all_of_them:,} sessions")
    assert (first_session(page), "search=words" in page.url) == ("s-9876", True)
    assert page.locator(ROWS).first.locator("[data-label='Reply ↓']").inner_text() == f"{reply_ms(9876):.0f} ms"
    page.click("#wb-clear")
    page.select_option("[name=persona]", "casual")
    page.select_option("[name=tool]", "true")
    page.select_option("[name=barge_in]", "false")
    wanted = [n for n in range(MANY) if PERSONAS[n % 4] == "casual" and has_tool(n) and not has_barge_in(n)]
    counted(page, f"{len(wanted):,} of {all_of_them:,} sessions")
    page.click("[data-sort=latency]")
    page.wait_for_selector("[aria-sort=descending] [data-sort=latency]")
    page.keyboard.press("Enter")  # the head that was clicked still has the keyboard
    slowest_last = sorted(wanted, key=lambda n: (reply_ms(n), -n))
    wait_for_first(page, f"s-{slowest_last[0]}")
    page.click("#wb-after")
    wait_for_first(page, f"s-{slowest_last[50]}")
    assert page.inner_text("#wb-place") == "51 to 100"
    address = page.url
    page.go_back()
    wait_for_first(page, f"s-{slowest_last[0]}")
    page = go(visit, server, "?" + address.partition("?")[2], ROWS)
    assert (first_session(page), page.input_value("[name=persona]"), page.input_value("[name=tool]")) == (
        f"s-{slowest_last[50]}",
        "casual",
        "true",
    )
    page.fill("[name=day]", "2026-01-03")
    counted(page, f"{sum(n in range(400, 600) for n in wanted)} of {all_of_them:,} sessions")
    page.fill("[name=search]", "nobody ever said this")
    page.wait_for_selector("#wb-none:has-text('Take a filter away')")
    assert not visit.complaints
    assert not visit.outside


def test_a_click_plays_from_there_and_latencies_are_the_stores(visit: Visit, server: Running) -> None:
    page = go(visit, server, "?session=seen", HAPPENED)
    page.wait_for_function("document.querySelector('audio').readyState > 0")
    told = stored(server, "seen")
    (barge_in,) = told["barge_ins"]
    assert (barge_in["start_ms"], barge_in["stop_latency_ms"]) == (BROKE_IN_S * 1_000, STOP_MS)
    assert f"{STOP_MS:.0f} ms" in page.inner_text(f"{HAPPENED}.barge")
    agent = next(turn for turn in told["turns"] if turn["speaker"] == "agent")
    assert f"{agent['latency_ms']:.0f} ms" in page.inner_text(f"{HAPPENED}.turn.agent")
    assert page.locator(HAPPENED).count() == len(told["turns"]) + len(told["barge_ins"]) + len(told["tool_invocations"])

    page.click(f"{HAPPENED}.turn.agent .from")
    page.wait_for_function("start => Math.abs(window.sought - start) < 0.01", arg=agent["start_ms"] / 1_000)
    page.wait_for_function("!document.querySelector('audio').paused")
    page.wait_for_selector(f"{HAPPENED}.turn.agent[aria-current=true]")
    page.evaluate("document.querySelector('audio').pause()")

    box = page.locator("canvas.lanes").bounding_box()
    assert box is not None
    # The mark of the barge-in begins where the user did, whatever part of it is clicked.
    inside = (BROKE_IN_S + STOP_MS / 2_000) / LENGTH_S
    page.mouse.move(box["x"] + box["width"] * inside, box["y"] + 40)
    page.wait_for_selector(f".under:has-text('stopped in {STOP_MS:.0f} ms')")
    page.mouse.click(box["x"] + box["width"] * inside, box["y"] + 40)
    page.wait_for_function("start => Math.abs(window.sought - start) < 0.01", arg=BROKE_IN_S)
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + 40)
    page.wait_for_function("place => Math.abs(window.sought - place) < 0.05", arg=0.9 * LENGTH_S)
    page.evaluate("document.querySelector('audio').pause()")
    page.mouse.move(box["x"] + box["width"] * 4 / LENGTH_S, box["y"] + box["height"] - 23)
    page.wait_for_selector(".under:has-text('frame 95 ms late')")

    page.focus("canvas.lanes")
    page.keyboard.press("Home")
    page.wait_for_function("window.sought === 0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.sought >= 1 && window.sought < 4")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('audio').paused")
    assert not visit.complaints


def test_what_users_personas_and_tools_wrote_stays_text(visit: Visit, server: Running) -> None:
    page = go(visit, server, "?search=seen", ROWS)
    assert SCRIPT in page.inner_text(ROWS)
    page.fill("[name=search]", SCRIPT)
    page.wait_for_selector(f"{ROWS}[data-session=goner]")
    page = go(visit, server, "?session=seen", HAPPENED)
    assert SCRIPT in page.inner_text("#wb-one h2")
    assert SCRIPT in page.inner_text(f"{HAPPENED}.turn.user")
    assert SCRIPT in page.inner_text(f"{HAPPENED}.tool.error")
    page.fill(".wb-rate textarea", SCRIPT)
    page.fill(".wb-rate input[type=text]", SCRIPT)
    page.click(".wb-rate button")
    page.locator(".wb-ratings .note", has_text=SCRIPT).wait_for()
    page = go(visit, server, "?compare=seen,other", ".wb-compared tbody tr")
    assert page.locator("header h3", has_text=SCRIPT).count() == 2
    assert page.evaluate("window.stolen") is None


def test_stars_are_kept_with_a_name_and_can_be_looked_for(visit: Visit, server: Running) -> None:
    page = go(visit, server, "?session=s-5", HAPPENED)
    assert page.locator("audio").count() == 0
    assert "not recorded" in page.inner_text(".wb-play-bar")
    page.click(".wb-rate .main")
    page.wait_for_selector(".why[role=status]:has-text('stars or a note')")
    page.focus(".wb-rate [type=radio]")
    for _star in range(3):
        page.keyboard.press("ArrowRight")
    page.fill(".wb-rate input[type=text]", "Ann")
    page.click(".wb-rate .main")
    page.wait_for_selector(".wb-ratings li:has-text('Ann')")
    (rating,) = httpx.get(f"{server.url}/api/sessions/s-5/ratings").json()["ratings"]
    assert (rating["stars"], rating["rater"]) == (4, "Ann")
    assert rating["rated_at"][:16].replace("T", " ") in page.inner_text(".wb-ratings")
    page.click("a[data-go=back]")
    page.select_option("[name=rating]", "4")
    wait_for_first(page, "s-5")
    assert page.locator(ROWS).count() == 1
    assert page.locator(ROWS).first.locator("[data-label=Rating]").inner_text() == "4 ★"


def test_two_sessions_stand_side_by_side(visit: Visit, server: Running) -> None:
    page = go(visit, server, f"?search={SCRIPT}", ROWS)
    for session_id in ("seen", "other"):
        page.check(f"[data-session={session_id}] input")
    page.click("#wb-compare-two")
    page.wait_for_selector(".wb-compared tbody tr")
    assert "compare=seen" in page.url
    replies = page.locator(".wb-compared tr", has_text="Reply, median").locator("td").all_inner_texts()
    assert replies == ["350 ms", "750 ms", "+400 ms"]
    assert page.locator("canvas.lanes").count() == page.locator("audio").count() == 2
    page.locator(f".wb-two .side >> nth=3 >> {HAPPENED}.turn.agent .from").click()
    page.wait_for_function("!document.querySelectorAll('audio')[1].paused && document.querySelectorAll('audio')[0].paused")
    page.locator("#wb-both header a").first.click()
    page.wait_for_selector("#wb-one .wb-happened")
    assert page.url.endswith("?session=seen")


def test_a_session_is_exported_and_another_deleted_when_it_is_confirmed(visit: Visit, server: Running) -> None:
    page = go(visit, server, "?session=goner", HAPPENED)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    with tarfile.open(fileobj=io.BytesIO(Path(download.value.path()).read_bytes())) as tar:
        assert json.load(tar.extractfile("schema.json") or io.BytesIO())["tables"]["sessions"]["rows"] == 1
        assert "audio/goner.flac" in tar.getnames()
    recording = server.data_dir / "audio" / "goner.flac"
    page.get_by_role("button", name="Delete").click()
    page.wait_for_selector("dialog[open]:has-text('cannot be brought back')")
    page.keyboard.press("Enter")  # the keyboard is on what changes nothing
    page.wait_for_selector("dialog", state="detached")
    assert stored(server, "goner")["turns"]
    assert recording.is_file()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for ever").click()
    page.wait_for_selector("#wb-sessions-said:has-text('is deleted')")
    assert httpx.get(f"{server.url}/voice/sessions/goner").status_code == 404
    assert not recording.exists()
    page = go(visit, server, "?session=goner", "#wb-one .wb-none")
    assert "no session of this id" in page.inner_text("#wb-one .wb-none")
    visit.complaints.clear()  # the browser logs the 404 that was asked for


def test_a_session_that_goes_on_shows_live_and_then_as_it_is_stored(visit: Visit, server: Running) -> None:
    talker = visit.page.context.new_page()
    talker.goto(server.url, wait_until="domcontentloaded")
    talker.wait_for_selector("#wb-text:enabled")
    talker.fill("#wb-text", "hello")
    talker.press("#wb-text", "Enter")
    talker.wait_for_selector("#wb-transcript .row.user")
    (row,) = visit.poll(lambda: httpx.get(f"{server.url}/api/sessions", params={"active": "true"}).json()["sessions"])
    page = go(visit, server, f"?session={row['session_id']}", ".wb-live .row.user:has-text('hello')")
    assert page.get_by_role("button", name="Delete").is_disabled()
    talker.fill("#wb-text", f"what is this {SCRIPT}")
    talker.press("#wb-text", "Enter")
    page.locator(".wb-live .row.user", has_text=SCRIPT).wait_for()
    talker.click("#wb-start")
    page.wait_for_selector(HAPPENED)
    talker.close()
    assert page.locator("h2 .live").count() == 0
    assert stored(server, row["session_id"])["ended_reason"] == "hung_up"
    assert page.evaluate("window.stolen") is None


def test_a_conversation_in_text_is_read_again_but_never_out_of_ones_hands(visit: Visit, server: Running) -> None:
    def say(message: str) -> str:
        told = {"message": message, "conversation_id": "in-text"}
        answer = httpx.post(f"{server.url}/api/mas/voice/orchestrator", json=told, timeout=60).raise_for_status().json()
        return str(answer["session_id"])

    session_id = say("what is twelve times seven")
    visit.poll(lambda: httpx.get(f"{server.url}/voice/sessions/{session_id}").is_success)
    page = go(visit, server, f"?session={session_id}", f"{HAPPENED}.tool.success")
    page.wait_for_selector(".why[role=status]:has-text('goes on without sound')")
    say("what is two plus two")
    page.locator(f"{HAPPENED}.turn.user", has_text="two plus two").wait_for()
    page.fill(".wb-rate textarea", "half a")
    # Both are asked for every second or two, and neither is drawn.
    for _again in range(2):
        with page.expect_response("**/replay"):
            pass
    assert page.input_value(".wb-rate textarea") == "half a"
    # The feed that it has not was asked for; the browser logs that it was refused.
    visit.complaints.clear()


def test_every_other_page_stands_over_ten_thousand_sessions(visit: Visit, server: Running) -> None:
    page = visit.page

    def goes_to(address: str, ready: str) -> None:
        page.goto(f"{server.url}{address}", wait_until="domcontentloaded")
        page.wait_for_selector(ready)

    goes_to("/personas/?persona=casual", "#wb-people-state[data-state=up]")
    casual = [number for number in range(MANY) if PERSONAS[number % 4] == "casual"]
    page.wait_for_selector(f"#wb-people [data-persona=casual]:has-text('{len(casual):,} talks')")
    goes_to("/topology/", "#wb-topology-state[data-state=up]")
    totals = httpx.get(f"{server.url}/voice/sessions").json()["stats"]
    assert int(page.inner_text("[data-total=total_sessions] dd").replace(",", "")) == totals["total_sessions"] >= MANY
    goes_to("/latency/?engine=classic&persona=casual", "#wb-latency-state[data-state=up]")
    row = page.locator("[data-table=answers_by_persona] tbody tr", has_text="casual")
    replies = [reply_ms(number) for number in casual if ENGINES[number % 3] == "classic"]
    assert [row.locator(f"[data-column='{column}']").inner_text() for column in ("n", "median, ms ↓")] == [
        f"{len(replies):,}",
        f"{np.median(replies):,.0f}",
    ]
    goes_to("/tools/", "#wb-tools-state[data-state=up]")
    goes_to("/", "#wb-start:enabled")
    assert not visit.complaints
    assert not visit.outside


def test_an_empty_store_says_what_to_do_and_a_slow_or_silent_server_is_told(visit: Visit, server: Running) -> None:
    page = visit.page
    held: list[Route] = []
    page.route("**/api/sessions?*", lambda route: held.append(route))
    go(visit, server, "", "#wb-list[aria-busy=true]")
    held[0].continue_()
    page.wait_for_selector("#wb-list:not([aria-busy])")
    page.wait_for_selector(ROWS)
    page.unroute("**/api/sessions?*")
    nothing = {"sessions": [], "total": 0, "stored": 0, "personas": [], "engines": []}
    page.route("**/api/sessions?*", lambda route: route.fulfill(json=nothing))
    go(visit, server, "", "#wb-none:has-text('Talk page')")
    page.unroute("**/api/sessions?*")
    page.route("**/api/sessions?*", lambda route: route.abort())
    go(visit, server, "", "#wb-none:has-text('cannot be shown')")
    page.unroute("**/api/sessions?*")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(ROWS)
    visit.complaints.clear()  # the browser logs the request that was aborted


def test_no_view_scrolls_sideways_in_either_theme(visit: Visit, server: Running) -> None:
    rows = httpx.get(f"{server.url}/api/sessions", params={"search": "tokyo"}).json()["sessions"]
    shown = rows[-1]["session_id"] if rows else "seen"
    views = {"list": ("", ROWS), "one": (f"?session={shown}&at=2000", HAPPENED), "both": ("?compare=seen,other", ".wb-compared tbody tr")}
    for scheme, width in (("dark", 390), ("light", 1280)):
        visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        visit.page.set_viewport_size({"width": width, "height": 860})
        for name, (query, ready) in views.items():
            page = go(visit, server, query, ready)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{name} scrolls sideways at {width}"
            if folder := os.environ.get(PICTURES):
                page.screenshot(path=Path(folder) / f"sessions-{name}-{scheme}-{width}.png")
    assert not visit.complaints
