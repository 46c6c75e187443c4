"""What the classic engine reaches in the suite `core`, beside the echo engine, which only repeats the user.

    uv run python -m benchmarks.core_suite [--seeds 2] [--persona assistant]

Charges are fixed (`workbench.testing.talks.CHARGES`), so that the load of the machine changes no verdict: these are verdicts, no
latencies. Scenarios that only some personas can be asked are held with the first of them. A talk is met when all its expectations are.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table import table
from evaluation.expectations import Verdict, judge
from evaluation.hold import hold
from evaluation.scenario import Scenario
from evaluation.scenario_files import load_suite
from workbench.assembly import assemble
from workbench.clock import FastClock, fixed
from workbench.settings import Settings
from workbench.testing.talks import CHARGES

SUITE = "core"
ENGINES = ("classic", "echo")
Verdicts = dict[tuple[str, str], list[list[Verdict]]]
"""By scenario and engine: the verdicts of each talk."""


async def held(suite: Sequence[Scenario], persona: str, seeds: int) -> Verdicts:
    """Every scenario with every engine and seed."""
    verdicts: Verdicts = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), test_engines=True, recording=False, personas_dir=None, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings
        bench = await assemble(settings)
        try:
            for scenario in suite:
                asked = scenario.personas[0] if scenario.personas else persona
                for engine in ENGINES:
                    print(f"{scenario.id}, {asked}, {engine}", file=sys.stderr)
                    talks = verdicts.setdefault((scenario.id, engine), [])
                    for seed in range(seeds):
                        clock = FastClock(fixed(CHARGES), latency_model="fixed")
                        talk = await hold(bench, scenario, persona=asked, engine=engine, seed=seed, clock=clock, recording=False)
                        talks.append(judge(scenario, talk))
        finally:
            await bench.close()
    return verdicts


def met(talks: Sequence[Sequence[Verdict]]) -> int:
    return sum(all(verdict.passed for verdict in talk) for talk in talks)


def by_category(suite: Sequence[Scenario], verdicts: Verdicts, seeds: int) -> str:
    """How many talks of each category met everything."""
    rows: list[list[int | str]] = []
    for category in dict.fromkeys(scenario.category for scenario in suite):
        names = [scenario.id for scenario in suite if scenario.category == category]
        reached = [sum(met(verdicts[name, engine]) for name in names) for engine in ENGINES]
        rows.append([category, len(names), len(names) * seeds, *reached])
    rows.append(["all", *(sum(int(row[column]) for row in rows) for column in range(1, 5))])
    return table(["category", "scenarios", "talks", *(f"{engine}: met ↑" for engine in ENGINES)], rows)


def failures(suite: Sequence[Scenario], verdicts: Verdicts, engine: str) -> str:
    """Every expectation that a talk of `engine` did not meet, with what was found first."""
    rows: list[list[int | str]] = []
    for scenario in suite:
        failed = [verdict for talk in verdicts[scenario.id, engine] for verdict in talk if not verdict.passed]
        for name, times in Counter(verdict.name for verdict in failed).items():
            found = next(verdict.found for verdict in failed if verdict.name == name)
            rows.append([f"`{scenario.id}`", name, times, found if len(found) <= 90 else f"{found[:87]}..."])
    return table(["scenario", "expectation", "talks", "found, the first time"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="talks of each scenario with each engine")
    parser.add_argument("--persona", default="assistant", help="who is asked what every persona can be asked")
    options = parser.parse_args()
    suite = load_suite(SUITE)
    verdicts = asyncio.run(held(suite, options.persona, options.seeds))
    print(by_category(suite, verdicts, options.seeds))
    print(f"\nNot met on {ENGINES[0]}:\n")
    print(failures(suite, verdicts, ENGINES[0]))


if __name__ == "__main__":
    main()
