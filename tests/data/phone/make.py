"""Makes the recorded call beside it: `PYTHONPATH=.:tests uv run python tests/data/phone/make.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from phone_network import CALL, STREAM, packets, start_message

from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.audio.mulaw import TELEPHONE_RATE
from workbench.audio.resample import resample
from workbench.audio.wav import load_wav

HERE = Path(__file__).parent
CLIP = HERE.parent / "audio" / "synthetic" / "time_tokyo.wav"


def main() -> None:
    sound = np.concatenate([silence(SAMPLE_RATE // 2), load_wav(CLIP), silence(SAMPLE_RATE // 2)])
    lines = [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        start_message(),
        *packets(resample(sound, SAMPLE_RATE, TELEPHONE_RATE)),
        {"event": "stop", "sequenceNumber": "9999", "stop": {"callSid": CALL}, "streamSid": STREAM},
    ]
    (HERE / "time_tokyo.jsonl").write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))


if __name__ == "__main__":
    main()
