"""How soon each page paints, beside an empty Gradio page, with ten thousand sessions in the store.

    uv run --extra dev python -m benchmarks.first_paint [--runs 15]

First contentful paint as Chromium tells it, each time in a new profile (nothing is cached), the pages in turn so that a busy moment falls
on all alike. The target: no page more than 300 ms after the empty one, at the median.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.children import SERVE, child, free_port, wait_until_answered
from benchmarks.export import TURNS_PER_TALK, fill
from benchmarks.table import machine, percentile, table
from workbench.app.shell import PAGES
from workbench.store.duckdb_store import DuckDbStore

SESSIONS = 10_000
EMPTY = "empty Gradio page"
_EMPTY_PAGE = """
import sys
import gradio as gr
import uvicorn
from fastapi import FastAPI
with gr.Blocks(analytics_enabled=False) as page:
    pass
uvicorn.run(gr.mount_gradio_app(FastAPI(), page, path="/", show_api=False, ssr_mode=False), port=int(sys.argv[1]), log_level="warning")
"""
_PAINTED = """() => new Promise((done) => {
  new PerformanceObserver((list) => {
    const paint = list.getEntriesByName("first-contentful-paint")[0];
    if (paint) done(paint.startTime);
  }).observe({ type: "paint", buffered: true });
})"""
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")


def first_paint_ms(browser: Browser, url: str) -> float:
    """From the start of the navigation to the first text or picture, ms."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        return float(page.evaluate(_PAINTED))
    finally:
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "var"
        data_dir.mkdir()
        store = DuckDbStore(data_dir / "workbench.duckdb")
        fill(store, SESSIONS * TURNS_PER_TALK)
        store.close()
        ports = free_port(), free_port()
        with (
            child(["-c", _EMPTY_PAGE, str(ports[0])]) as empty,
            child([*SERVE, "--port", str(ports[1]), "--data-dir", str(data_dir)]) as served,
            sync_playwright() as playwright,
        ):
            wait_until_answered(f"http://127.0.0.1:{ports[0]}/", empty)
            wait_until_answered(f"http://127.0.0.1:{ports[1]}/health", served)
            urls = {EMPTY: f"http://127.0.0.1:{ports[0]}/"} | {
                name: f"http://127.0.0.1:{ports[1]}{address.rstrip('/')}/" for address, name in PAGES.items()
            }
            browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(_FLAGS))
            taken: dict[str, list[float]] = {name: [] for name in urls}
            for number in range(options.runs + 1):
                for name, url in urls.items():
                    paint = first_paint_ms(browser, url)
                    # The first round fills the file cache.
                    if number:
                        taken[name].append(paint)
            browser.close()
    least = percentile(taken[EMPTY], 50) or 0.0
    rows = []
    for name, times in taken.items():
        middle = percentile(times, 50) or 0.0
        rows.append((name, len(times), middle, percentile(times, 95), middle - least))
    print(machine())
    print(table(("page", "n", "p50 ms", "p95 ms", "after the empty page, ms"), rows))


if __name__ == "__main__":
    main()
