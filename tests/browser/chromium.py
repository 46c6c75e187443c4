"""A real Chromium with a fake microphone, and what it saw."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

MICROPHONE_RATE = 48_000
CHROMIUM = shutil.which("chromium")
WITHIN_MS = 90_000.0
"""A busy machine takes its time; what never comes fails all the same."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
_PEERS = """
(() => {
  const Native = window.RTCPeerConnection;
  window.peers = [];
  window.RTCPeerConnection = class extends Native {
    constructor(settings) {
      super(window.relaysOnly ? { ...settings, iceTransportPolicy: "relay" } : settings);
      window.peers.push(this);
    }
  };
})();
"""
_HEARD = """async () => {
  const peer = window.peers.at(-1);
  if (!peer) return 0;
  let energy = 0;
  (await peer.getStats()).forEach((entry) => { if (entry.type === "inbound-rtp") energy = entry.totalAudioEnergy ?? 0; });
  return energy;
}"""


def microphone(path: Path, parts: Sequence[Path | float]) -> Path:
    """Clips and pauses (seconds) one after the other, as Chromium's fake microphone reads them. It repeats them for ever."""
    sounds = []
    for part in parts:
        if isinstance(part, Path):
            sound, rate = soundfile.read(part, dtype="float32")
            sounds.append(soxr.resample(sound, rate, MICROPHONE_RATE))
        else:
            sounds.append(np.zeros(round(part * MICROPHONE_RATE), dtype=np.float32))
    soundfile.write(path, np.concatenate(sounds), MICROPHONE_RATE, subtype="PCM_16")
    return path


class Visit:
    """One page in front of one visitor. `complaints`: errors and warnings of the console; `outside`: requests to other hosts."""

    def __init__(self, page: Page, url: str, ready: str = "#wb-start:enabled") -> None:
        self.page = page
        self.complaints: list[str] = []
        self.outside: list[str] = []
        page.set_default_timeout(WITHIN_MS)
        page.add_init_script(_PEERS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", lambda websocket: self._request(websocket.url))
        # Not `load`: what the browser is kept from loading may hold that back.
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_selector(ready)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.outside.append(url)

    def start(self) -> None:
        """Presses the button; returns when the talk is live."""
        self.page.click("#wb-start")
        self.page.wait_for_selector("body:is([data-wb=live], [data-wb=user], [data-wb=agent])")
        self.page.wait_for_selector("#wb-start.live")

    def hang_up(self) -> None:
        """Presses the button again; returns when the talk is over."""
        self.page.click("#wb-start")
        self.page.wait_for_selector("body[data-wb=idle]")

    def choose(self, field: str, option: str, value: str) -> None:
        """Chooses in one of the lists; returns when the page knows, which is later than the click: Gradio tells it in its own time."""
        self.page.click(f"#wb-{field} input")
        self.page.get_by_role("option", name=option).click()
        self.page.wait_for_function("([field, value]) => window.workbench.choices[field] === value", arg=[field, value])

    def write(self, text: str) -> None:
        self.page.fill("#wb-text", text)
        self.page.keyboard.press("Enter")

    def poll(self, look: Callable[[], Any]) -> Any:
        """What `look` gives once it is true. Waits inside Playwright, so that the page's own events go on."""
        deadline = time.monotonic() + WITHIN_MS / 1_000
        while not (found := look()):
            assert time.monotonic() < deadline, f"{look} gave {found!r} to the end; the page shows: {self.page.inner_text('body')}"
            self.page.wait_for_timeout(100)
        return found

    def heard_energy(self) -> float:
        """Energy of the sound that came back over WebRTC so far; digital silence adds none."""
        return float(self.page.evaluate(_HEARD))


@contextmanager
def visiting(
    url: str, *, wav: Path | None = None, allowed: bool = True, relays_only: bool = False, ready: str = "#wb-start:enabled", **context: Any
) -> Iterator[Visit]:
    """A visit to a page. `wav`: what the fake microphone plays, None for no microphone at all; `allowed`: what the visitor answers
    when asked for it; `relays_only`: no network path but over a TURN server, of which there is none; `ready`: what is there when the page
    can be used."""
    flags = list(_ARGUMENTS)
    if wav is not None:
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={wav}"]
    if allowed:
        flags.append("--use-fake-ui-for-media-stream")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        try:
            made = browser.new_context(
                **{"viewport": {"width": 1280, "height": 860}, "permissions": ["microphone"] if allowed else [], **context}
            )
            made.add_init_script(f"window.relaysOnly = {json.dumps(relays_only)};")
            yield Visit(made.new_page(), url, ready)
        finally:
            browser.close()
