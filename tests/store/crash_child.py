"""A process in the middle of a recorded talk, in real time, until it is killed. Prints the number of every frame once it was given."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from talk_script import chosen, opened, stems, tick, tool_started, turn

from workbench.audio.frames import FRAME_SAMPLES
from workbench.store.opening import open_store
from workbench.store.processes import Process, register
from workbench.store.recorder import Recorder

folder, database = Path(sys.argv[1]), sys.argv[2]
here = Process.this(folder / "audio")
store = open_store(database, process_id=here.process_id)
register(store, here)
observer = Recorder(store, folder / "audio", process_id=here.process_id).observer()
observer.on_event(opened())
observer.on_event(chosen())
began = time.monotonic()
for frame in itertools.count():
    time.sleep(max(0.0, began + (frame + 1) * 0.08 - time.monotonic()))
    user, agent = stems(frame)
    observer.on_frame(frame * FRAME_SAMPLES, user, agent)
    observer.on_event(tick(frame + 1))
    if frame == 10:
        observer.on_event(turn("t-1", "user", 0.2, 0.7))
        observer.on_event(tool_started(0.8))
    sys.stdout.write(f"{frame + 1}\n")
    sys.stdout.flush()
