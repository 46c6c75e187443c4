"""How often a comparison of personas claims a difference that is not there, and how often it finds one that is.

    uv run python -m benchmarks.sweep_error [--sweeps 200]

Every simulated sweep goes through `evaluation.comparison.compare`, as a run's does. Values have what real ones have: a scenario is easy or
hard for everybody, a persona suits some scenarios and not others (over all their seeds), talks of one scenario differ by seed, and measures
are continuous, skewed, shares of few, or counts that are mostly 0. A null sweep has no persona better than another on average.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import machine, table
from evaluation.comparison import Comparison, Measure, Talk, compare
from evaluation.measured import ADHERENCE, EXPECTATIONS

Floats = NDArray[np.float64]
MEASURES: tuple[Measure, ...] = (*ADHERENCE, *EXPECTATIONS)
SUITS_SD, SEED_SD = 1.0, 0.7
"""Spread of how a persona suits a scenario, and of talks of one scenario over seeds, in one unit; a scenario's own is 2."""

SHAPES: Sequence[Callable[[Floats], Floats]] = (
    lambda latent: latent,
    np.exp,
    lambda latent: np.clip(np.round(2 + latent), 0, 4) / 4,
    lambda latent: np.maximum(0.0, np.floor(latent - 1)),
)
"""Continuous; skewed, as latencies are; a share of four; a count that is mostly 0. Each measure has one of them, in turn."""


@dataclass(frozen=True, slots=True)
class Design:
    """One sort of sweep. `effect`: by how much the second persona is better in the first measure, in standard deviations of a scenario's
    difference; only of continuous values is it exactly that."""

    personas: int
    scenarios: int
    seeds: int
    effect: float = 0.0


def sweep(design: Design, rng: np.random.Generator, measures: Sequence[Measure] = MEASURES) -> list[Talk]:
    """The talks of one simulated sweep."""
    size = (design.scenarios, 1, len(measures))
    hard = rng.normal(0, 2, size)
    # A scenario's difference has the variance of two personas' suiting and of two means over seeds.
    spread = np.sqrt(2 * (SUITS_SD**2 + SEED_SD**2 / design.seeds))
    talks = []
    for persona in range(design.personas):
        latent = hard + rng.normal(0, SUITS_SD, size) + rng.normal(0, SEED_SD, (design.scenarios, design.seeds, len(measures)))
        if persona == 1:
            latent[:, :, 0] += design.effect * spread
        values = np.stack([SHAPES[number % len(SHAPES)](latent[:, :, number]) for number in range(len(measures))], axis=-1)
        talks += [
            Talk(
                f"p{persona}",
                "simulated",
                f"s{scenario}",
                seed,
                dict(zip(names(measures), map(float, values[scenario, seed]), strict=True)),
            )
            for scenario in range(design.scenarios)
            for seed in range(design.seeds)
        ]
    return talks


def names(measures: Sequence[Measure]) -> list[str]:
    """The measures' names, in order."""
    return [measure.name for measure in measures]


def claims(found: Comparison) -> int:
    """How many differences a comparison claims, with a winner or without."""
    return sum(finding.verdict in ("better", "differs") for finding in found.findings)


def false_claims(design: Design, sweeps: int, *, resamples: int, by_talk: bool = False) -> int:
    """In how many of so many null sweeps at least one difference is claimed: the family-wise errors. `by_talk` takes every talk for a
    scenario of its own, which is wrong, to show what it costs."""
    wrong = 0
    for number in range(sweeps):
        talks = sweep(design, np.random.default_rng((2_026, number)))
        if by_talk:
            talks = [replace(talk, scenario=f"{talk.scenario}/{talk.seed}") for talk in talks]
        wrong += claims(compare(talks, MEASURES, resamples=resamples)) > 0
    return wrong


def found_effects(design: Design, sweeps: int, *, resamples: int) -> int:
    """In how many sweeps the second of two personas is named as the winner in the measure in which it is better."""
    found = 0
    for number in range(sweeps):
        talks = sweep(design, np.random.default_rng((7_102, number)))
        first = compare(talks, MEASURES, resamples=resamples).findings[0]
        found += first.winner == "p1"
    return found


def interval(count: int, of: int) -> str:
    """A share with its 95 % Wilson interval, in percent."""
    z, share = 1.96, count / of
    centre = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    reach = z * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2)) / (1 + z**2 / of)
    return f"{100 * share:.1f} [{100 * max(0.0, centre - reach):.1f}, {100 * (centre + reach):.1f}]"


NULL: Mapping[str, Design] = {
    "2 personas": Design(2, 12, 3),
    "2 personas, many scenarios": Design(2, 30, 2),
    "3 personas, every pair": Design(3, 12, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2_000)
    options = parser.parse_args()
    print(f"{machine()}\n")
    rows: list[Sequence[str | int]] = []
    for name, design in NULL.items():
        wrong, naive = (false_claims(design, options.sweeps, resamples=options.resamples, by_talk=by_talk) for by_talk in (False, True))
        tests = len(MEASURES) * design.personas * (design.personas - 1) // 2
        rows.append(
            [name, design.scenarios, design.seeds, tests, options.sweeps, interval(wrong, options.sweeps), interval(naive, options.sweeps)]
        )
    head = ["null sweeps", "scenarios", "seeds", "tests", "n sweeps", "any false claim, % ↓", "if talks were the unit, %"]
    print(table(head, rows))
    print()
    effects = (0.5, 0.8, 1.2, 2.0)
    power: list[Sequence[str | int]] = []
    for scenarios in (8, 12, 24, 48):
        found = [found_effects(Design(2, scenarios, 3, effect), options.sweeps, resamples=options.resamples) for effect in effects]
        power.append([scenarios, options.sweeps, *(f"{100 * count / options.sweeps:.1f}" for count in found)])
    print(table(["scenarios", "n sweeps", *(f"found of effect {effect} SD, % ↑" for effect in effects)], power))


if __name__ == "__main__":
    main()
