"""Published rows of Full-Duplex-Bench v1 and v1.5, for printing beside a run. None of them was measured here.

A row is only comparable where the recogniser, the script and the system's own version are: v1's are Parakeet's words, ours are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.fdb_v1_backchannel import Script

README = "benchmark's README, 2026-05"
CARD = "model card of nvidia/personaplex-7b-v1"
PERSONAPLEX = "PersonaPlex paper (arXiv 2602.06053), as transcribed in a digest"
RL = "arXiv 2606.11167"
V15_PAPER = "v1.5 paper, table 2, as transcribed by OpenRealtime"
OPEN_REALTIME = "OpenRealtime's own run, energy VAD"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One system's figures of one benchmark. `figures`: task, then the measure's key, to the value; seconds and shares."""

    system: str
    source: str
    figures: Mapping[str, Mapping[str, float]]
    script: Script | None = None
    """Version of the backchannel script; None where the source does not say, so that its backchannel figures are shown in no table."""


def _v1(system: str, source: str, script: Script | None, values: tuple[float | None, ...]) -> PublishedRow:
    """`values` in the order of the published tables."""
    columns = (
        ("synthetic_pause_handling", "tor"),
        ("candor_pause_handling", "tor"),
        ("icc_backchannel", "tor"),
        ("icc_backchannel", "frequency_per_s"),
        ("icc_backchannel", "distance"),
        ("candor_turn_taking", "tor"),
        ("candor_turn_taking", "latency_s"),
        ("synthetic_user_interruption", "tor"),
        ("synthetic_user_interruption", "rating"),
        ("synthetic_user_interruption", "latency_s"),
    )
    figures: dict[str, dict[str, float]] = {}
    for (task, measure), value in zip(columns, values, strict=True):
        if value is not None:
            figures.setdefault(task, {})[measure] = value
    return PublishedRow(system, source, figures, script)


V1_ROWS = (
    _v1("PersonaPlex (paper's checkpoint)", README, "original", (0.584, 0.662, 0.327, 0.025, 0.649, 0.992, 0.070, 1.000, 4.210, 0.400)),
    _v1("PersonaPlex-7b-v1 (released)", CARD, "original", (0.358, 0.431, 0.273, 0.042, 0.662, 0.908, 0.170, 0.950, 4.290, 0.240)),
    _v1("PersonaPlex, reproduced", RL, "fixed", (0.482, 0.444, 0.182, 0.046, 0.841, 0.958, 0.219, 0.940, 4.500, 0.271)),
    _v1("PersonaPlex + RL (Fisher)", RL, "fixed", (0.328, 0.361, 0.127, 0.122, 0.783, 0.950, 0.079, 1.000, 4.520, 0.187)),
    _v1("PersonaPlex + RL (Seamless)", RL, "fixed", (0.350, 0.356, 0.073, 0.112, 0.786, 0.975, 0.086, 0.995, 4.533, 0.223)),
    _v1("dGSLM", README, "original", (0.934, 0.935, 0.691, 0.015, 0.934, 0.975, 0.352, 0.917, 0.201, 2.531)),
    _v1("Moshi", README, "original", (0.985, 0.980, 1.000, 0.001, 0.957, 0.941, 0.265, 1.000, 0.765, 0.257)),
    _v1("Moshi, 3 s of silence first", RL, "fixed", (0.445, 0.528, 0.255, 0.074, 0.824, 0.739, 0.162, 0.920, 3.440, 1.377)),
    _v1("Moshi + RL (Fisher)", RL, "fixed", (0.226, 0.417, 0.091, 0.095, 0.789, 0.966, 0.121, 1.000, 3.575, 0.461)),
    _v1("Moshi + RL (Seamless)", RL, "fixed", (0.307, 0.463, 0.145, 0.101, 0.794, 0.958, 0.160, 1.000, 3.630, 0.409)),
    _v1("Freeze-Omni", README, "original", (0.642, 0.481, 0.636, 0.001, 0.997, 0.336, 0.953, 0.867, 3.615, 1.409)),
    _v1("Gemini Live 2.0", README, "original", (0.255, 0.310, 0.091, 0.012, 0.896, 0.655, 1.301, 0.891, 3.376, 1.183)),
    _v1("GPT-Realtime", README, "original", (0.010, 0.120, 0.000, 0.007, 0.980, 1.000, 1.470, 0.970, 3.850, 1.500)),
    _v1("Qwen-2.5-Omni", PERSONAPLEX, None, (None, None, None, None, None, None, None, None, 4.590, 2.740)),
    _v1("Gemini 3.1 Flash Live (minimal)", README, None, (0.022, 0.153, 0.727, 0.044, 0.807, 1.000, 0.567, 1.000, 3.575, 0.337)),
    _v1("Gemini 3.1 Flash Live (high)", README, None, (0.007, 0.102, 0.491, 0.030, 0.853, 0.992, 0.940, 0.995, 4.121, 0.651)),
)


def _v15(system: str, source: str, rows: tuple[tuple[float, ...], ...]) -> PublishedRow:
    """`rows`: one for each task, of respond, resume, uncertain, unknown, stop and response; or of the last two only."""
    tasks = ("user_interruption", "user_backchannel", "talking_to_other", "background_speech")
    measures = ("C_RESPOND", "C_RESUME", "C_UNCERTAIN_HANDLING", "C_UNKNOWN", "stop_s", "response_s")
    return PublishedRow(
        system,
        source,
        {task: dict(zip(measures[-len(values) :], values, strict=True)) for task, values in zip(tasks, rows, strict=True)},
    )


V15_ROWS = (
    _v15(
        "GPT-4o-realtime",
        V15_PAPER,
        (
            (0.78, 0.10, 0.02, 0.12, 0.23, 1.50),
            (0.03, 0.70, 0.01, 0.25, 0.21, 1.32),
            (0.91, 0.02, 0.01, 0.06, 0.18, 1.16),
            (0.93, 0.04, 0.00, 0.03, 0.18, 1.26),
        ),
    ),
    _v15("Gemini 2.0", V15_PAPER, ((2.20, 2.62), (0.66, 2.45), (1.69, 1.78), (0.95, 2.38))),
    _v15("Gemini 3.1", OPEN_REALTIME, ((0.81, 2.05), (0.54, 1.78), (0.98, 2.10), (0.43, 1.82))),
)


def rows_for(task: str, rows: tuple[PublishedRow, ...], script: Script | None = None) -> list[PublishedRow]:
    """Rows that have figures of a task. `script`: for backchannels, only those of the same script version."""
    return [row for row in rows if task in row.figures and (script is None or row.script == script)]
