"""Talks over a network that delays, reorders and loses packets: what is silenced, what is told, and whether both stems stay in place.

    sudo uv run python -m benchmarks.packet_loss [--seconds 20] [--seeds 1,2] [--stock-seeds 1]

A real server and a real caller (aiortc) in two network namespaces with a forwarder between them (`lossy_link`); the echo engine, so that
the agent's sound is known too. Loss hits both directions. The baseline in the same run is the same server with aiortc's own jitter
buffer. It needs root. "Mouth to ear" ends at the arrival of the packet: a browser's own buffer comes on top.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.lossy_link import Conditions, missing
from benchmarks.lossy_talk import Kept, LossyServer, Script
from benchmarks.table import machine, percentile, table

FAR = Conditions(delay_ms=50, jitter_ms=10)
SCRIPTS = {
    "clean": Script(Conditions(), 0, 0),
    "50 ± 10 ms": Script(FAR, 0, 0),
    "50 ± 10 ms, 1 %": Script(Conditions(delay_ms=50, jitter_ms=10, loss=0.01), 0, 0),
    "50 ± 10 ms, 5 %": Script(Conditions(delay_ms=50, jitter_ms=10, loss=0.05), 0, 0),
    "the same in bursts of 3": Script(Conditions(delay_ms=50, jitter_ms=10, loss=0.05, burst_packets=3), 0, 0),
    "50 ± 10 ms, 5 %, out of order": Script(Conditions(delay_ms=50, jitter_ms=10, ordered=False, loss=0.05), 0, 0),
    "50 ± 10 ms, 300 ms of nothing": Script(FAR, 0, 0, outage_s=0.3),
}
BASELINE = ("clean", "50 ± 10 ms, 1 %", "50 ± 10 ms, 5 %")
HEAD = (
    "network",
    "seed",
    "packets",
    "lost up",
    "told",
    "silenced frames a lost packet",
    "user moved, begin to end ms",
    "most apart ms",
    "agent against user ms",
    "left out ms",
    "lost down",
    "told",
    "mouth to ear p50 ms",
    "p95",
    "n",
    "latest tick ms",
)


def row(name: str, kept: Kept) -> tuple[float | int | str | None, ...]:
    """One talk as a line of the table."""
    user, agent = kept.user_pieces(), {piece.sent: piece.offset_ms for piece in kept.agent_pieces()}
    offsets = [piece.offset_ms for piece in user]
    between = [agent[piece.sent] - piece.offset_ms for piece in user if piece.sent in agent]
    lost, delays = kept.lost(upward=True), kept.delays_ms()
    return (
        name,
        kept.script.seed,
        kept.sent_packets(upward=True),
        lost,
        kept.told_lost_packets,
        kept.silenced_frames / lost if lost else None,
        offsets[-1] - offsets[0] if offsets else None,
        float(np.ptp(offsets)) if offsets else None,
        float(np.ptp(between)) if between else None,
        kept.left_out_ms,
        kept.lost(upward=False),
        kept.told_playout_lost,
        percentile(delays, 50),
        percentile(delays, 95),
        len(delays),
        kept.held_up_ms,
    )


def measure(seconds: float, seeds: list[int], *, stock_aiortc: bool) -> str:
    """Every network (of the baseline only some) with every seed, one after the other over one server, as a table."""
    names = BASELINE if stock_aiortc else tuple(SCRIPTS)
    held = [(name, replace(SCRIPTS[name], seconds=seconds, seed=seed)) for seed in seeds for name in names]
    with tempfile.TemporaryDirectory() as folder:
        with LossyServer(Path(folder), stock_aiortc=stock_aiortc) as server:
            for _name, script in held:
                server.hold(script)
        return table(HEAD, [row(name, kept) for (name, _script), kept in zip(held, server.read(), strict=True)], digits=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--stock-seeds", default="1", help="seeds of the baseline; empty for none")
    options = parser.parse_args()
    if (reason := missing()) is not None:
        raise SystemExit(f"no lossy link can be made: {reason}")
    print(machine())
    for title, listed, stock in (("ours", options.seeds, False), ("stock aiortc 1.16", options.stock_seeds, True)):
        if seeds := [int(seed) for seed in listed.split(",") if seed]:
            print(f"\n**{title}**\n\n{measure(options.seconds, seeds, stock_aiortc=stock)}", flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
