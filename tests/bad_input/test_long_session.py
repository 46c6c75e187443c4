"""Half an hour of talk in virtual time, written down as it goes: no memory grows with its length."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from servers import CLIPS

from workbench import events
from workbench.assembly import assemble
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.timeline import TimelineFrame
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, fixed
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.events import Event
from workbench.settings import Settings
from workbench.store import queries
from workbench.testing.asr import ScriptedAsr
from workbench.testing.talks import CHARGES
from workbench.testing.tts import ToneTts

LONG_S = 1_800
WARM_S = 300


class Endless(ClipInput):
    """The same clip over and over: a user who never ends and takes no memory."""

    @property
    def exhausted(self) -> bool:
        return False

    def take(self, samples: int, now_samples: int) -> TimelineFrame:
        if self._position + samples > self._pcm.size:
            self._position = 0
        return super().take(samples, now_samples)


class Growth:
    """Counts, once the talk is warm and at its end."""

    def __init__(self) -> None:
        self.objects: list[int] = []
        self.resident: list[int] = []
        self._ticks = 0

    def on_event(self, event: Event) -> None:
        if isinstance(event, events.FrameTiming):
            self._ticks += 1
            if self._ticks in (WARM_S * 25 // 2, (LONG_S - 2) * 25 // 2):
                gc.collect()
                self.objects.append(len(gc.get_objects()))
                self.resident.append(psutil.Process().memory_info().rss)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is kept by the recorder."""


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_half_an_hour_leaves_no_growing_memory_and_all_its_rows(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, test_engines=True, max_session_s=LONG_S, turn_fixed_hold_ms=500)
    bench = await assemble(settings, recogniser=ScriptedAsr(lambda _seconds: "tell me more"), synthesisers=[ToneTts()])
    growth = Growth()
    try:
        user = Endless(np.concatenate([load_wav(CLIPS / "goforward.wav"), silence(10 * SAMPLE_RATE)]))
        clock = FastClock(fixed(CHARGES), latency_model="test")
        talk = await bench.sessions.open(TalkRequest(engine="scripted", transport="clip"), clip=user, clock=clock)
        talk.conversation.observe(growth)
        assert await talk.closed() == "time_limit"
    finally:
        await bench.close()
    objects, resident = growth.objects, growth.resident
    assert objects[1] - objects[0] < 10_000, f"{objects[1] - objects[0]:,} objects more after 25 minutes"
    # One stem of 25 minutes is 144 MB.
    assert resident[1] - resident[0] < 70_000_000, f"{(resident[1] - resident[0]) / 1e6:.0f} MB more after 25 minutes"
    bench_again = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()])
    try:
        session = queries.get_session(bench_again.store, talk.session_id)
        ticks = bench_again.store.query("SELECT count(*) AS n, max(frame) AS last FROM voice_frame_timings")[0]
    finally:
        await bench_again.close()
    assert session is not None
    assert ticks == {"n": LONG_S * 25 // 2, "last": LONG_S * 25 // 2}
    assert len([turn for turn in session["turns"] if turn["speaker"] == "user"]) > 100
    recording = soundfile.info(tmp_path / "audio" / f"{talk.session_id}.flac")
    assert recording.frames == LONG_S * SAMPLE_RATE
    assert recording.frames % FRAME_SAMPLES == 0
