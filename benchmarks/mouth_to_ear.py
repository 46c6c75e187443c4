"""From the microphone's track to the received track in one browser, through a talk with the echo engine (frames of 80 ms).

    uv run python -m benchmarks.mouth_to_ear [--calls 7] [--seconds 6]

Chromium plays chirps as its microphone and calls `/webrtc/offer` from an empty page. Both tracks are recorded on one AudioContext;
windows of 2 s, one a second, are cross-correlated. Microphone and loudspeaker hardware are not in it; the browser's own jitter buffer
(NetEq) is, and is printed apart. Within a call the delay hardly moves; from call to call it does,
with the place of the talk's ticks among the client's packets. A call while other programs take more than 30 % of one core is not judged.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright

from benchmarks.children import FOREIGN_AT_MOST, SCRIPTED, busy_s, cpu_s, server
from benchmarks.table import machine, percentile, table
from workbench.audio.wav import write_wav

CHROMIUM = "/usr/bin/chromium"
RATE = 48_000
WINDOW = 2 * RATE
LONGEST = RATE
"""Delays up to 1 s are looked for."""
SETTLE_S = 4.0
TARGET_MS = 145.0
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the delay of each window, and what the browser and the machine say."""

    delays_ms: list[float]
    jitter_buffer_ms: float
    concealed: float
    connect_ms: float
    foreign: float
    """Cores that others kept busy meanwhile."""


def chirps(path: Path, seconds: float = 30.0) -> None:
    """Chirps of 150 ms between 300 and 3,000 Hz at places that no other 2 s repeat."""
    random = np.random.default_rng(11)
    # `write_wav` writes 24 kHz; the browser takes any rate.
    rate = 24_000
    sound = np.zeros(round(seconds * rate), dtype=np.float32)
    length = round(0.15 * rate)
    t = np.arange(length) / rate
    at = rate // 2
    while at + length < sound.size:
        low, high = random.uniform(300, 1_200), random.uniform(1_300, 3_000)
        phase = 2 * np.pi * (low * t + (high - low) * t**2 / (2 * t[-1]))
        sound[at : at + length] = 0.3 * np.sin(phase) * np.hanning(length)
        at += length + round(random.uniform(0.1, 0.4) * rate)
    write_wav(path, sound)


def delay_ms(sent: Samples, received: Samples) -> float | None:
    """The delay at which `received` [WINDOW + LONGEST] is most like `sent` [WINDOW]; None where either is silent."""
    if min(float(np.std(sent)), float(np.std(received))) < 30:
        return None
    length = 1 << int(np.ceil(np.log2(sent.size + received.size)))
    products = np.fft.irfft(np.fft.rfft(received, length) * np.conj(np.fft.rfft(sent, length)), length)
    return float(np.argmax(np.abs(products[:LONGEST]))) * 1_000 / RATE


def ours_s(server_process: psutil.Process) -> float:
    """CPU of the server, of this process, and of the browser, which is its child."""
    me = psutil.Process()
    family = {process.pid: process for process in [me, *me.children(recursive=True), server_process]}
    return sum(cpu_s(process) for process in family.values() if process.is_running())


def call(browser: Browser, url: str, process: psutil.Process, seconds: float) -> Call:
    page = browser.new_context(permissions=["microphone"]).new_page()
    page.goto(f"{url}/health", wait_until="domcontentloaded")
    before, ours, began_s = busy_s(), ours_s(process), time.perf_counter()
    script = Path(__file__).with_suffix(".js").read_text()
    told: dict[str, Any] = page.evaluate(script, {"seconds": seconds, "settle": SETTLE_S})
    foreign = (busy_s() - before - (ours_s(process) - ours)) / (time.perf_counter() - began_s)
    page.context.close()
    sent, received = (np.frombuffer(base64.b64decode(told[name]), np.int16).astype(np.float64) for name in ("sent", "received"))
    places = range(0, min(sent.size, received.size) - WINDOW - LONGEST, RATE)
    delays = [delay_ms(sent[at : at + WINDOW], received[at : at + WINDOW + LONGEST]) for at in places]
    return Call(
        [delay for delay in delays if delay is not None], told["jitter_buffer_ms"], told["concealed"], told["connect_ms"], max(0.0, foreign)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    print(machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        server(SCRIPTED, WORKBENCH_ENGINE="echo", WORKBENCH_LOOPBACK_WEBRTC="1") as (url, process),
        sync_playwright() as playwright,
    ):
        wav = Path(folder) / "chirps.wav"
        chirps(wav)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-audio-capture={wav}"])
        calls = [call(browser, url, process, options.seconds) for _ in range(options.calls)]
        browser.close()
    rows = [
        (
            number,
            len(one.delays_ms),
            *(percentile(one.delays_ms, q) for q in (50, 95, 0, 100)),
            one.jitter_buffer_ms,
            one.concealed * 100,
            one.connect_ms,
            one.foreign * 100,
            "yes" if one.foreign <= FOREIGN_AT_MOST else "no",
        )
        for number, one in enumerate(calls, start=1)
    ]
    head = (
        "call",
        "n windows",
        "p50 ms",
        "p95 ms",
        "min",
        "max",
        "of it NetEq ms",
        "concealed %",
        "connect ms",
        "others' CPU, % of a core",
        "judged",
    )
    print(table(head, rows, digits=1))
    judged = [delay for one in calls if one.foreign <= FOREIGN_AT_MOST for delay in one.delays_ms]
    if len(judged) < 7:
        print(f"\nNot judged: {len(judged)} windows on a quiet machine, 7 are needed; others take CPU that the call needs.")
    else:
        p50 = percentile(judged, 50)
        print(f"\nn = {len(judged)} windows, p50 {p50:.0f} ms, target {TARGET_MS:.0f} ms.")
    print(machine())


if __name__ == "__main__":
    main()
