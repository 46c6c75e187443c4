"""The Talk page as a visitor has it: a real server process, a real browser, real speech, sound over WebRTC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from chromium import CHROMIUM, microphone, visiting
from servers import CLIPS, ROOT, Running, opened_store, running

from workbench.app.shell import PAGES
from workbench.audio.frames import SAMPLE_RATE
from workbench.store import queries

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
TAKE_PICTURE = "WORKBENCH_TAKE_PICTURE"
"""Set: the page with the talk in it is kept as the README's picture."""
PICTURE = ROOT / "docs" / "talk.png"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def server(data_dir: Path) -> Iterator[Running]:
    """A server of the test's own, to be ended by it."""
    with running(data_dir, WORKBENCH_LOOPBACK_WEBRTC="1") as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("shared") / "var", WORKBENCH_LOOPBACK_WEBRTC="1") as started:
        yield started


def test_a_talk_from_the_microphone_to_sql(server: Running, data_dir: Path, tmp_path: Path) -> None:
    # The first clip gets a reply of several seconds; the second, in which a tool is asked for, falls into it. Both are repeated.
    wav = microphone(tmp_path / "mic.wav", [1.0, CLIPS / "goforward.wav", 5.0, CLIPS / "synthetic" / "times.wav", 7.0])
    with visiting(server.url, wav=wav, color_scheme="dark" if os.environ.get(TAKE_PICTURE) == "dark" else "light") as visit:
        page = visit.page
        visit.start()
        page.wait_for_function("document.querySelector('#wb-transcript').innerText.includes('forward ten')")
        visit.poll(lambda: visit.heard_energy() > 0.01)
        tool = page.wait_for_selector(".row.tool[data-tool=arithmetic][data-state=ok]")
        assert tool is not None
        assert "eighty four" in tool.inner_text()
        page.wait_for_selector(".row.tool .delivered")
        page.wait_for_selector(".row.mark.barge:has-text('stopped in')")
        assert page.locator(".row.agent.interrupted s.cut").first.inner_text().strip()
        page.wait_for_function("document.querySelector('#wb-measures [data-measure=stop] .last').textContent.includes('ms')")
        assert {"Recogniser", "End of turn", "Voice", "Responder"} <= set(page.locator("#wb-parts dt").all_inner_texts())
        assert page.inner_text("#wb-recorded") == "recorded"
        visit.write("what is three times nine")
        page.wait_for_selector(".row.tool:has-text('twenty seven')")
        page.wait_for_selector(".row.agent:has-text('twenty seven')")
        if os.environ.get(TAKE_PICTURE):
            PICTURE.parent.mkdir(exist_ok=True)
            page.screenshot(path=PICTURE)
        visit.hang_up()
        page.wait_for_selector("#wb-transcript >> text=talk ended")
        assert not visit.outside
        assert not visit.complaints
    assert server.stop() == 0, server.said
    with opened_store(data_dir) as store:
        (row,) = store.query("SELECT session_id FROM voice_sessions")
        session = queries.get_session(store, row["session_id"])
    assert session is not None
    assert (session["ended_reason"], session["engine"], session["transport"]) == ("hung_up", "classic", "webrtc")
    assert {turn["speaker"] for turn in session["turns"]} == {"user", "agent"}
    assert "arithmetic" in {call["action"] for call in session["tool_invocations"]}
    assert session["barge_ins"]
    stereo, rate = soundfile.read(data_dir / "audio" / f"{row['session_id']}.flac")
    assert (rate, stereo.shape[1]) == (SAMPLE_RATE, 2)
    assert np.abs(stereo).max(axis=0).min() > 0.05, "one of the stems is silent"


def test_without_a_microphone_the_page_says_so_and_typing_works(shared: Running) -> None:
    with visiting(shared.url, wav=None) as visit:
        page = visit.page
        page.wait_for_selector("[role=alert]:has-text('No microphone was found')")
        visit.write("what is six times seven <script>document.title = 'broken'</script> <b>x</b>")
        page.wait_for_selector(".row.user:has-text('<b>x</b>')")
        visit.write("what is six times seven")
        page.wait_for_selector(".row.tool[data-state=ok]:has-text('forty two')")
        assert page.title() == "PersonaPlex Workbench"
        assert page.locator("#wb-transcript :is(script, .said b)").count() == 0
        visit.choose("engine", "scripted", "scripted")
        page.wait_for_selector("#wb-transcript >> text=Asked for by name")
        page.get_by_role("button", name="End the written talk").click()
        page.wait_for_selector("body[data-wb=idle]")
        assert not visit.complaints


def test_a_microphone_that_is_denied_shows_its_repair(shared: Running, tmp_path: Path) -> None:
    wav = microphone(tmp_path / "mic.wav", [1.0])
    with visiting(shared.url, wav=wav, allowed=False) as visit:
        visit.page.click("#wb-start")
        alert = visit.page.wait_for_selector("[role=alert][data-code=microphone]")
        assert alert is not None
        assert "allow the microphone for this page" in alert.inner_text()
        visit.page.wait_for_selector("#wb-start:has-text('Start talking')")


def test_a_refused_engine_and_a_server_that_is_gone_say_what_to_do(server: Running, tmp_path: Path) -> None:
    wav = microphone(tmp_path / "mic.wav", [1.0])
    with visiting(server.url, wav=wav) as visit:
        page = visit.page
        page.wait_for_selector("#wb-lights [data-engine=personaplex][data-state=unavailable]:has-text('PERSONAPLEX_URL')")
        page.wait_for_selector("#wb-lights [data-engine=classic][data-state=ready]:has-text('answered in')")
        visit.choose("engine", "personaplex", "personaplex")
        page.click("#wb-start")
        page.wait_for_selector("[role=alert][data-code=refused]:has-text('PERSONAPLEX_URL')")
        page.wait_for_selector("#wb-start:has-text('Start talking')")
        server.kill()
        page.wait_for_selector("[role=alert][data-code=gone]:has-text('workbench serve')")
        assert page.inner_text("#wb-state") == "No server"


def test_no_network_path_for_the_sound_is_told_with_its_repair(shared: Running, tmp_path: Path) -> None:
    wav = microphone(tmp_path / "mic.wav", [1.0])
    with visiting(shared.url, wav=wav, relays_only=True) as visit:
        visit.page.click("#wb-start")
        alert = visit.page.wait_for_selector("[role=alert][data-code=path]")
        assert alert is not None
        assert "WORKBENCH_STUN_URLS" in alert.inner_text()
        assert "WORKBENCH_TURN_URL" in alert.inner_text()
        visit.page.wait_for_selector("#wb-start:has-text('Start talking')")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_and_is_reached_by_keyboard(shared: Running, tmp_path: Path, width: int, scheme: str) -> None:
    wav = microphone(tmp_path / "mic.wav", [1.0])
    size = {"width": width, "height": 860}
    with visiting(shared.url, wav=wav, viewport=size, color_scheme=scheme, reduced_motion="reduce") as visit:
        page = visit.page
        page.wait_for_selector("#wb-lights [data-engine]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for figure in page.locator("#wb-measures .last").all():
            assert figure.inner_text() == "–"
        reached = set()
        for _press in range(12 + len(PAGES)):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.closest('[id]')?.id"))
        assert {"wb-start", "wb-text", "wb-transcript", "wb-persona", "wb-voice", "wb-engine", "wb-recording"} <= reached
        assert page.locator("#wb-transcript[aria-live=polite]").count() == 1
        assert not visit.outside
        assert not visit.complaints
