"""`workbench report` in a real Chromium, from the disk: figures drawn, nothing complained about, nothing asked of any host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from typer.testing import CliRunner

from tests.browser.chromium import CHROMIUM
from workbench.cli import app

SAMPLE = Path(__file__).parents[2] / "data" / "sample"

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def opened(browser: Browser, file: Path, scheme: str) -> tuple[Page, list[str], list[str]]:
    """The page once it is drawn, what the console complained of, and what was asked of the network."""
    complaints: list[str] = []
    asked: list[str] = []
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    return page, complaints, asked


@pytest.mark.parametrize("kind", ["latency", "barge-in", "persona"])
def test_a_report_is_drawn_in_both_themes(browser: Browser, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", kind, str(SAMPLE), "--out", str(file)])
    assert done.exit_code == 0, done.output
    for scheme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 29)")):
        page, complaints, asked = opened(browser, file, scheme)
        figures = page.locator("[data-figure]")
        assert figures.count() >= 2
        for number in range(figures.count()):
            drawn = figures.nth(number).locator(".cartesianlayer .trace path, .cartesianlayer .points path, .heatmaplayer image")
            drawn.first.wait_for(state="attached")
        assert page.locator(".wb-table tbody tr").count() >= 2
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground, "the button changes the theme"
        assert (complaints, asked) == ([], [])
        page.close()


def test_plotly_is_in_the_page_once(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    CliRunner().invoke(app, ["report", "latency", str(SAMPLE), "--out", str(file)])
    text = file.read_text("utf-8")
    assert text.count("<script") - text.count("<script>") == 1, "the data"
    assert text.count("plotly.js v") == 1
    assert " src=" not in text.split("<script>", 1)[0]


def test_an_export_of_an_older_schema_is_told_apart(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "old")
    schema = json.loads((tmp_path / "old" / "schema.json").read_text())
    del schema["tables"]["sessions"]["columns"]["scored_by"]
    schema["schema_version"] = "009_views"
    (tmp_path / "old" / "schema.json").write_text(json.dumps(schema))
    done = CliRunner().invoke(app, ["report", "latency", str(tmp_path / "old")])
    assert done.exit_code == 2
    assert "scored_by" in done.stderr
    assert "009_views" in done.stderr


def test_what_is_no_export_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "latency", str(tmp_path)])
    assert done.exit_code == 2
    assert "is no export" in done.stderr
