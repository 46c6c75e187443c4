"""Real recordings with labels: who yielded, and how soon, by our own definitions beside hotato's and beside the labels of people.

The user's speech comes from the energy detector, since silero misses soft acknowledgements, joined over pauses within a turn; the
floor-holder's from silero, joined over the pauses that count as no stop, since energy takes every breath for one. The stop is corrected
by silero's measured release bias. `python -m evaluation.human_recordings DIR` prints the table for a folder with `ami_real.json` or
`vapi_real.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from evaluation.detector_bias import bias_of
from evaluation.detectors import VAD_RATE, energy_segments, silero_segments, to_vad_rate
from evaluation.hotato import SEARCH_MS
from workbench.audio.frames import Pcm
from workbench.dynamics.barge_ins import AGENT_PAUSE_MS, Outcome, classify
from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, from_seconds, merge
from workbench.dynamics.turns import TURN_PAUSE_MS

TOLERANCE_S = 0.25
"""A corrected stop may be this far from the end of the word that people marked: silero's release alone spreads over 0.15 s (5 to 95 %),
and a voice sounds on after the mark."""
SECOND = 1_000 * SAMPLES_PER_MS
NEAR_S = 0.3
"""The user's onset is the sound nearest the label, up to this far before it."""
CONDITION = "clean, -20 dBFS"
"""The condition of the bias table that close-talking microphones come nearest to."""
FILES = {"ami_real.json": "wav_ami", "vapi_real.json": "wav_vapi"}


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip, times in seconds. `stop_s` is None unless the outcome is "yielded"; `outcome` is None where the floor-holder was silent
    at the onset. `labelled_stop_s` is the end of the floor-holder's stretch that people marked, None where nobody did."""

    name: str
    should_yield: bool
    user_heard_by_silero: bool
    outcome: Outcome | None
    stop_s: float | None
    hotato_yield: bool
    hotato_stop_s: float | None
    labelled_yield: bool | None
    labelled_stop_s: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether yield, and stop latency within `TOLERANCE_S`, are as people marked them; None where they marked nothing."""
        if self.labelled_yield is None:
            return None
        if self.labelled_yield != (self.outcome == "yielded"):
            return False
        return not self.labelled_yield or _near(self.stop_s, self.labelled_stop_s)


def examine(clip: Mapping[str, Any], channels: Pcm, rate: int) -> Recording:
    """One clip `[2, n]`: channel 0 breaks in on channel 1. Raises ValueError when the user is never heard by energy."""
    onset_s = float(clip["labelled_onset_s"])
    caller, holder = (to_vad_rate(channel, rate) for channel in channels[:2])
    callers = merge(from_seconds(energy_segments(caller, VAD_RATE)), TURN_PAUSE_MS)
    user = next((s for s in callers if s.end > (onset_s - NEAR_S) * SECOND), None)
    if user is None:
        raise ValueError(f"{clip['id']}: no sound of the user from {onset_s - NEAR_S:.1f} s on; check the channels")
    release_s = (bias_of("silero, package defaults", CONDITION).offset_median_ms or 0.0) / 1_000
    found = _break_in(max(user.start, round(onset_s * SECOND)), user, from_seconds(silero_segments(holder)))
    labelled = clip.get("labelled_segments")
    marked = None
    if labelled is not None:
        takers = merge(from_seconds(labelled["ch0_s"]), TURN_PAUSE_MS)
        marked = _break_in(round(onset_s * SECOND), takers[0], from_seconds(labelled["ch1_s"]))
    return Recording(
        name=clip["id"],
        should_yield=bool(clip["expected_behaviour"]["yield"]),
        user_heard_by_silero=any(s.end > (onset_s - NEAR_S) * SECOND for s in from_seconds(silero_segments(caller))),
        outcome=found[0] if found else None,
        stop_s=found[1] - release_s if found and found[1] is not None else None,
        hotato_yield=bool(clip["hotato"]["did_yield"]),
        hotato_stop_s=clip["hotato"]["time_to_yield_s"],
        labelled_yield=marked[0] == "yielded" if marked else None,
        labelled_stop_s=marked[1] if marked else None,
    )


def _break_in(onset: int, user: Segment, holder: Sequence[Segment]) -> tuple[Outcome, float | None] | None:
    """What became of the floor-holder's stretch that sounds at the onset, and its stop in seconds after it."""
    stretch = next((s for s in merge(holder, AGENT_PAUSE_MS) if s.start < onset < s.end), None)
    if stretch is None:
        return None
    found = classify(Segment(onset, max(user.end, onset + 1)), stretch, SEARCH_MS)
    return found.outcome, None if found.stop_latency_ms is None else found.stop_latency_ms / 1_000


def _near(found_s: float | None, labelled_s: float | None) -> bool:
    return found_s is not None and labelled_s is not None and abs(found_s - labelled_s) <= TOLERANCE_S


def read_folder(folder: Path) -> list[Recording]:
    """Every clip of the two files that is there with its sound. Raises FileNotFoundError when neither file is there."""
    files = [name for name in FILES if (folder / name).is_file()]
    if not files:
        raise FileNotFoundError(f"{folder} holds neither {' nor '.join(FILES)}; give the hotato folder of the reference values")
    found = []
    for name in files:
        for clip in json.loads((folder / name).read_text(encoding="utf-8"))["clips"]:
            path = folder / FILES[name] / clip["wav"]
            if path.is_file():
                sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
                found.append(examine(clip, np.ascontiguousarray(sound.T), int(rate)))
    return found


def markdown(recordings: Sequence[Recording]) -> str:
    """The table as README.md shows it; latencies in seconds."""
    lines = [
        "| clip | should yield | silero hears the user | ours | stop ↓ | people's label | stop | agrees | hotato | stop |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in recordings:
        label = "–" if r.labelled_yield is None else _yes(r.labelled_yield)
        cells = [r.name, _yes(r.should_yield), _yes(r.user_heard_by_silero), r.outcome or "silent at onset", _seconds(r.stop_s), label]
        cells += [_seconds(r.labelled_stop_s), "–" if r.agrees is None else _yes(r.agrees), _yes(r.hotato_yield), _seconds(r.hotato_stop_s)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when a clip does not agree with its label, 2 where there is no such folder."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.human_recordings", description="Real recordings beside their labels.")
    parser.add_argument("folder", type=Path, help="the hotato folder of the reference values")
    try:
        recordings = read_folder(parser.parse_args(argv).folder)
    except FileNotFoundError as fault:
        print(fault, file=sys.stderr)
        return 2
    print(markdown(recordings))
    judged = [r for r in recordings if r.agrees is not None]
    print(f"\n{sum(bool(r.agrees) for r in judged)}/{len(judged)} labelled clips agree, tolerance {TOLERANCE_S} s")
    return 0 if all(r.agrees for r in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
