"""Every benchmark in turn, each in a process of its own, tables on stdout: about half an hour.

    uv run python -m benchmarks.all [--only startup,talk_speed]

Nothing else should run on the machine meanwhile; every table tells the load it was made under.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.children import ROOT

BENCHMARKS: tuple[tuple[str, ...], ...] = (
    ("startup",),
    ("talk_speed",),
    ("frame_overhead",),
    ("mouth_to_ear",),
    ("concurrency",),
    ("reply_latency", "--passes", "3"),
    ("barge_in", "--realtime"),
    ("bridge",),
    ("telemetry",),
    ("sweep_error",),
    ("first_paint",),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, comma-separated")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [name for name, *_flags in BENCHMARKS]
    if unknown := set(wanted) - {name for name, *_flags in BENCHMARKS}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; known: {', '.join(name for name, *_flags in BENCHMARKS)}")
    failed = []
    for name, *flags in BENCHMARKS:
        if name in wanted:
            command = ("python", "-m", f"benchmarks.{name}", *flags)
            print(f"\n## {name}\n\n`uv run {' '.join(command)}`\n", flush=True)
            if subprocess.run([sys.executable, *command[1:]], cwd=ROOT, check=False).returncode:
                failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
