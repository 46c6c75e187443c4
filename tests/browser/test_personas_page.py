"""The Personas page as its author has it: a real server with a folder of personas, and a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chromium import CHROMIUM, Visit, visiting
from servers import CLIPS, ROOT, SERVE, Running, running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
SCRIPT = "<script>window.stolen = 1</script><b>x</b>"
PICTURES = "WORKBENCH_TAKE_PICTURE"
"""Set: the page is kept as the README's picture."""
READY = "#wb-people-state[data-state=up]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped personas, and one that is called as an attacker would."""
    made = tmp_path_factory.mktemp("personas")
    for file in (ROOT / "personas").glob("*.md"):
        (made / file.name).write_text(file.read_text())
    text = f"---\nname: '{SCRIPT}'\nvoice: NATF2\nrole: nurse\n---\nYou are {SCRIPT}.\n"
    (made / "mallory.md").write_text(text)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with running(folder.parent / "var", SERVE, WORKBENCH_PERSONAS_DIR=str(folder)) as started:
        yield started


def chosen(visit: Visit, persona: str) -> None:
    """Waits until a persona is open in the editor, checked, with its versions."""
    visit.page.wait_for_selector(f"#wb-people [data-persona={persona}] a[aria-current]")
    visit.page.wait_for_selector("#wb-edit-notes .note")
    visit.page.wait_for_selector("#wb-versions li:not(:has-text('Reading'))")


def test_an_edit_from_the_first_letter_to_the_next_talk(server: Running, folder: Path) -> None:
    with visiting(f"{server.url}/personas", ready=READY) as visit:
        page = visit.page
        page.click("#wb-people [data-persona=customer-service] a")
        chosen(visit, "customer-service")
        assert page.url.endswith("?persona=customer-service")
        before = page.input_value("#wb-edit-text")
        assert page.is_disabled("#wb-save")
        page.fill("#wb-edit-text", before.replace("costs 45 dollars", "costs 48 dollars"))
        page.wait_for_selector("#wb-save:enabled")
        page.click("#wb-diff-box summary")
        assert "48 dollars" in page.locator("#wb-diff .more").last.inner_text()
        page.fill("#wb-edit-text", before.replace("role: customer_service", "role: nurse"))
        page.wait_for_selector("#wb-edit-notes .note.error:has-text('nurse')")
        page.fill("#wb-edit-text", "no front matter")
        page.wait_for_selector("#wb-edit-notes .note.error:has-text('front matter')")
        assert page.is_disabled("#wb-save")
        page.fill("#wb-edit-text", before.replace("costs 45 dollars", "costs 48 dollars"))
        page.wait_for_selector("#wb-save:enabled")
        page.click("#wb-save")
        page.wait_for_selector("#wb-edit-said:has-text('Saved as version')")
        told = httpx.get(f"{server.url}/api/personas/customer-service").json()
        page.wait_for_selector(f"#wb-versions [data-version='{told['version']}']:has-text('the one in use')")
        assert "costs 48 dollars" in (folder / "customer-service.md").read_text()
        page.click("#wb-hear")
        page.wait_for_selector("#wb-edit-said:has-text('VARF1')")
        page.wait_for_function("document.getElementById('wb-voice').duration > 0.5")
        page.click("#wb-talk")
        page.wait_for_selector("#wb-start:enabled")
        page.wait_for_function("window.workbench.choices.persona === 'customer-service'")
        assert page.input_value("#wb-persona input").startswith("Nora Bell")
        visit.write("how much is a basic service")
        page.wait_for_selector(".row.agent:has-text('forty eight'), .row.agent:has-text('48')")
        page.get_by_role("button", name="End the written talk").click()
        page.wait_for_selector("body[data-wb=idle]")
    with visiting(f"{server.url}/personas?persona=customer-service", ready=READY) as visit:
        page = visit.page
        chosen(visit, "customer-service")
        page.wait_for_selector("#wb-people [data-persona=customer-service]:has-text('1 talk')")
        page.wait_for_selector(f"#wb-scores th:has-text('customer-service {told['version'][:8]}')")
        assert not visit.complaints
        assert not visit.outside


def test_two_versions_are_talked_to_blind_and_voted_on(server: Running) -> None:
    told = httpx.get(f"{server.url}/api/personas/casual").json()
    edit = {"text": told["text"].rstrip() + " " + "You like rain.\n", "expected": told["version"]}
    saved = httpx.put(f"{server.url}/api/personas/casual", json=edit).raise_for_status().json()
    with visiting(f"{server.url}/personas?persona=casual", ready=READY) as visit:
        page = visit.page
        chosen(visit, "casual")
        page.click("#wb-blind button")
        for arm in "AB":
            with page.context.expect_page() as opened:
                page.click(f"#wb-vote-talks [data-arm={arm}]")
            talk = opened.value
            talk.wait_for_selector("#wb-start:enabled")
            talk.wait_for_function("window.workbench.choices.persona.startsWith('casual~')")
            assert "blind" in talk.input_value("#wb-persona input")
            assert not any(version[:8] in talk.inner_text("body") for version in (told["version"], saved["version"]))
            talk.fill("#wb-text", "hello")
            talk.keyboard.press("Enter")
            talk.wait_for_selector(".row.agent")
            talk.close()
            page.wait_for_selector(f"#wb-vote-talks [data-arm={arm}][data-talked=true]")
        page.check("#wb-vote [value=B]")
        page.fill("#wb-vote-rater", "somebody")
        page.click("#wb-vote button")
        page.wait_for_selector("#wb-blind-said:has-text('A was')")
        votes = {one["version"]: (one["trials"], one["won"]) for one in httpx.get(f"{server.url}/api/personas/casual").json()["versions"]}
        assert sorted(votes.values()) == [(1, 0), (1, 1)]
        (won,) = [version for version, (_trials, won) in votes.items() if won]
        page.wait_for_selector(f"#wb-versions [data-version='{won}']:has-text('better in 1 of 1 blind trial')")
        assert not visit.complaints


def test_a_voice_is_uploaded_only_with_consent(server: Running) -> None:
    with visiting(f"{server.url}/personas?persona=assistant", ready=READY) as visit:
        page = visit.page
        chosen(visit, "assistant")
        page.set_input_files("#wb-upload-file", CLIPS / "cards_001.wav")
        page.fill("#wb-upload-name", "ida")
        page.fill("#wb-upload-speaker", SCRIPT)
        page.click("#wb-upload button")
        page.wait_for_selector("#wb-upload-said.error:has-text('consent')")
        page.check("#wb-upload-consent")
        page.click("#wb-upload button")
        page.wait_for_selector("#wb-voices [data-voice=ida]:has-text('from its next start on')")
        assert SCRIPT in page.inner_text("#wb-voices [data-voice=ida]")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("#wb-voices [data-voice=ida] button")
        page.wait_for_selector("#wb-voices:has-text('None yet')")
        assert page.evaluate("window.stolen") is None


def test_a_new_one_and_one_that_somebody_else_changed(server: Running, folder: Path) -> None:
    with visiting(f"{server.url}/personas?persona=assistant", ready=READY) as visit:
        page = visit.page
        chosen(visit, "assistant")
        page.click("#wb-new")
        page.wait_for_selector("#wb-edit-notes .note.error:has-text('Give it an id')")
        page.fill("#wb-edit-id", "night-porter")
        page.wait_for_selector("#wb-save:enabled")
        page.press("#wb-edit-id", "Enter")
        page.wait_for_selector("#wb-people [data-persona=night-porter] a[aria-current]")
        assert (folder / "night-porter.md").is_file()
        text = page.input_value("#wb-edit-text")
        (folder / "night-porter.md").write_text(text.replace("friendly", "grumpy"))
        page.fill("#wb-edit-text", text.replace("friendly", "cheerful"))
        page.wait_for_selector("#wb-save:enabled")
        page.click("#wb-save")
        page.wait_for_selector("#wb-edit-said.error:has-text('not what was edited')")
        assert "grumpy" in (folder / "night-porter.md").read_text()
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.click("#wb-people [data-persona=assistant] a")
        assert page.input_value("#wb-edit-text") == text.replace("friendly", "cheerful")
        page.once("dialog", lambda dialog: dialog.accept())


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_what_a_file_says_stays_text_at_every_width(server: Running, tmp_path: Path, scheme: str, width: int) -> None:
    with visiting(
        f"{server.url}/personas?persona=mallory", ready=READY, color_scheme=scheme, viewport={"width": width, "height": 860}
    ) as visit:
        page = visit.page
        chosen(visit, "mallory")
        assert SCRIPT in page.inner_text("#wb-people [data-persona=mallory]")
        assert page.evaluate("window.stolen") is None
        assert page.locator("#wb-personas-page :is(script, li a b b, .note b)").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#wb-edit-notes .note.error").count() >= 1
        page.focus("#wb-people li:first-child a")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('wb-edit-title').textContent !== 'mallory'")
        assert not visit.complaints
    if width == 1280 and os.environ.get(PICTURES):
        with visiting(f"{server.url}/personas?persona=customer-service", ready=READY, viewport={"width": 1280, "height": 860}) as visit:
            chosen(visit, "customer-service")
            visit.page.wait_for_selector("#wb-scores :is(table, p:not(:has-text('Reading')))")
            visit.page.screenshot(path=ROOT / "docs" / "personas.png")
