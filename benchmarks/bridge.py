"""What the tool bridge costs: utterance to dispatch, its overhead over each provider's own time, and what tools do to a talk's frames.

    uv run python -m benchmarks.bridge [--calls 300] [--talks 50] [--at-once 10]

Calls: a final utterance is offered to the bridge, whose tool goes through its guard to a provider; the result is for the card. The
provider's own time is taken inside the guard. The bare client asks the same server in turn with the bridge. Talks are in real time with
scripted engine and recogniser, each batch without tools and then the same with them; a frame is late when it leaves over 80 ms after its
time.
"""

from __future__ import annotations

import argparse
import asyncio

from benchmarks.bridge_calls import calls_table, overheads
from benchmarks.bridge_talks import talks, talks_table
from benchmarks.table import machine


async def measure(options: argparse.Namespace) -> str:
    """All measures, as Markdown."""
    measured = await overheads(options.calls)
    arms = await talks(options.talks, options.at_once)
    return f"{calls_table(measured)}\n\n{talks_table(arms, options.talks)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--talks", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=10)
    options = parser.parse_args()
    print(machine())
    print(asyncio.run(measure(options)))
    print(machine())


if __name__ == "__main__":
    main()
