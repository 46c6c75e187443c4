"""The Talk page as a stranger has it on a public server: asked for consent first, kept or not kept as they say, and nowhere else let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import CHROMIUM, microphone, visiting
from servers import CLIPS, opened_store, running

from workbench.app.choices import CONSENT_QUESTION
from workbench.events import SessionOpened
from workbench.store import queries

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
PUBLIC = {
    "WORKBENCH_LOOPBACK_WEBRTC": "1",
    "WORKBENCH_PASSWORD": "the operator's",
    "WORKBENCH_PUBLIC_TALK": "1",
    "WORKBENCH_ASK_CONSENT": "1",
}


def test_a_stranger_talks_and_only_what_they_agreed_to_is_kept(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    wav = microphone(tmp_path / "mic.wav", [1.0, CLIPS / "goforward.wav", 5.0])
    with running(data_dir, **PUBLIC) as server:
        with visiting(server.url, wav=wav) as visit:
            page = visit.page
            visit.write("what is six times seven")
            page.wait_for_selector("[role=alert][data-code=refused]:has-text('whether your talks may be kept')")
            page.get_by_label("No, keep nothing").check()
            page.wait_for_function("window.workbench.choices.consent === 'nothing'")
            visit.start()
            page.wait_for_selector("#wb-recorded:has-text('not recorded')")
            page.wait_for_selector(".row.user")
            visit.hang_up()
            page.get_by_label("Yes, keep them").check()
            page.wait_for_function("window.workbench.choices.consent === 'keep'")
            visit.write("what is six times seven")
            page.wait_for_selector(".row.tool[data-state=ok]:has-text('forty two')")
            page.get_by_role("button", name="End the written talk").click()
            page.wait_for_selector("body[data-wb=idle]")
            assert not visit.complaints
            page.goto(f"{server.url}/sessions", wait_until="domcontentloaded")
            page.wait_for_selector("input[type=password]")
        assert server.stop() == 0, server.said
    with opened_store(data_dir) as store:
        (row,) = store.query("SELECT session_id FROM voice_sessions")
        opened = queries.read_events(store, row["session_id"])[0]
    assert isinstance(opened, SessionOpened)
    assert (opened.transport, opened.consent) == ("page", CONSENT_QUESTION)
    assert [path.stem for path in (data_dir / "audio").rglob("*.flac")] == [row["session_id"]], (
        "the sound of the talk agreed to, and no other"
    )
