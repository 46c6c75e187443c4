"""Full-Duplex-Bench v1.5, how the model's voice changes with an interruption: paired tests of the two sides over many files.

As in the benchmark's significance test: only files whose answer a judge labelled `C_RESPOND`, outliers of the difference dropped by their
median absolute deviation, a paired t-test for each measure, and Holm's correction over them. Its fourth measure, UTMOSv2, needs weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.fdb_v15_before_after import Outliers
from evaluation.paired import PairedTest, paired_t
from evaluation.prosody import Sides
from evaluation.statistics import holm

MEASURES: Mapping[str, str] = {
    "wpm": "words/min",
    "pitch_mean": "mean pitch Hz",
    "pitch_sd": "SD of pitch Hz",
    "intensity_mean": "mean intensity dBFS",
    "intensity_sd": "SD of intensity dB",
}
RULE: Outliers = "mad"


@dataclass(frozen=True, slots=True)
class SideTest:
    """One measure, after the overlap less before it. `test` is None where `unknown` says why; `p_holm` is corrected over all tests made."""

    key: str
    label: str
    test: PairedTest | None
    p_holm: float | None
    unknown: str = ""


def side_tests(files: Sequence[Sides]) -> list[SideTest]:
    """All measures over files; a file in which a side has no value for a measure counts for none there."""
    found: dict[str, PairedTest | str] = {}
    for key in MEASURES:
        pairs = [(before, after) for before, after in (_values(sides, key) for sides in files) if before is not None and after is not None]
        try:
            found[key] = paired_t([before for before, _ in pairs], [after for _, after in pairs], RULE)
        except ValueError as fault:
            found[key] = str(fault)
    corrected = holm({key: test.p for key, test in found.items() if isinstance(test, PairedTest)})
    return [
        SideTest(key, MEASURES[key], test, corrected[key])
        if isinstance(test, PairedTest)
        else SideTest(key, MEASURES[key], None, None, test)
        for key, test in found.items()
    ]


def _values(sides: Sides, key: str) -> tuple[float | None, float | None]:
    """Before, after. A side without words has no speaking rate."""
    before, after, words = sides.before, sides.after, sides.split
    match key:
        case "wpm":
            return (words.before_wpm if words.before else None, words.after_wpm if words.after else None)
        case "pitch_mean":
            return before.pitch_mean_hz, after.pitch_mean_hz
        case "pitch_sd":
            return before.pitch_sd_hz, after.pitch_sd_hz
        case "intensity_mean":
            return before.intensity_mean_dbfs, after.intensity_mean_dbfs
        case _:
            return before.intensity_sd_db, after.intensity_sd_db
