"""Many talks for a long time: straight at the PersonaPlex gateway, through the whole workbench, and with the classic engine.

    uv run --extra personaplex python -m benchmarks.load [--only gateway,personaplex,classic] [--minutes 30] [--talks 16] [--gateways 2]

Real clips play the users over the WebSocket in real time, encoded beforehand; they, the gateways (tiny checkpoint, one torch thread;
several stand behind HAProxy) and `workbench serve` share the machine. Talks through the whole workbench have a scripted recogniser,
because the embedded one takes more of a core than all the rest; classic talks have the real one, and are as many as `workbench serve`
admits by itself. One talk more must be refused. Every line of a table is a window of a minute, so that what grows with time shows;
the yardstick is the CPU time of a fixed calculation, and shows a machine that has become slower.
Afterwards the rows of every talk are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.balanced import gateways
from benchmarks.children import SCRIPTED, SERVE, Served, child, free_port, wait_until_answered, yardstick_ms
from benchmarks.load_watch import HEAD, Watch, counted, windows
from benchmarks.table import machine, table
from benchmarks.users import Query
from workbench.assembly import SESSIONS_PER_CORE
from workbench.protocol import Metadata
from workbench.settings import cores
from workbench.store.duckdb_store import DuckDbStore
from workbench.wire_client import ChatClient, ChatError

WINDOW_S = 60.0
START_S = 15.0
"""The users encode their sound and come; windows begin after that."""
PROMPT = "You enjoy having a good conversation."
"""Short enough for the tiny checkpoint's window."""
PERSONA = f"---\nname: Tess\nvoice: TINYW1\nrole: casual\ntools: ['*']\n---\n{PROMPT} Your name is Tess.\n"
WHOLE = """
SELECT s.ended_reason, s.ended_detail, s.is_active, count(f.frame) AS ticks, coalesce(max(f.frame), 0) AS last_tick,
       (SELECT e.kind FROM voice_events e WHERE e.session_id = s.session_id ORDER BY e.seq DESC LIMIT 1) AS last_event
FROM voice_sessions s LEFT JOIN voice_frame_timings f ON f.session_id = s.session_id
GROUP BY s.session_id, s.ended_reason, s.ended_detail, s.is_active
"""
"""A talk is whole when its ticks have no hole and its last event is its end."""
KINDS = ("gateway", "personaplex", "classic")


@contextmanager
def workbench(command: Sequence[str], data_dir: Path, settings: Mapping[str, str]) -> Iterator[Served]:
    """A workbench with this data folder, ready for talks."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with child([*command, "--port", str(port), "--data-dir", str(data_dir)], settings) as serving:
        wait_until_answered(f"{url}/health", serving)
        yield url, psutil.Process(serving.pid)


def run(kind: str, talks: int, minutes: float, count: int) -> None:
    """Holds the talks and prints what they did."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        database = folder / "var" / "workbench.duckdb"
        entrance, models = ("", []) if kind == "classic" else parts.enter_context(gateways(count, talks))
        query: Query = {"voice_prompt": "TINYW1.wav", "text_prompt": PROMPT} if kind == "gateway" else {"engine": kind}
        with ExitStack() as serving:
            bench = None
            if kind == "classic":
                settings = {"WORKBENCH_CLASSIC_SESSIONS": str(talks), "WORKBENCH_ASR": "pocketsphinx"}
                bench = serving.enter_context(workbench(SERVE, folder / "var", settings))
            elif kind == "personaplex":
                (folder / "tess.md").write_text(PERSONA)
                settings = {"PERSONAPLEX_URL": entrance, "WORKBENCH_PERSONAS_DIR": str(folder), "WORKBENCH_PERSONA": "tess"}
                bench = serving.enter_context(workbench(SCRIPTED, folder / "var", {**settings, "WORKBENCH_MAX_SESSIONS": str(talks)}))
            url = bench[0] if bench else entrance
            flags = [flag for name, value in query.items() for flag in ("--query", f"{name}={value}")]
            users = ("-m", "benchmarks.users", "--url", url, "--talks", str(talks), "--seconds", str(minutes * 60), "--same", *flags)
            with child(users) as talking:
                watch = Watch(bench, models, psutil.Process(talking.pid))
                refused = look_on(watch, talking, url, query)
                out, _ = talking.communicate()
            if talking.returncode:
                raise SystemExit("the users failed")
            print(table(HEAD, windows(watch.kept), digits=1), flush=True)
            if models:
                counts = counted(models)
                names = ("paused_frames", "dropped_frames", "rollovers")
                print("\nOf the gateways: " + ", ".join(f"{counts[f'gateway_{name}_total']:,.0f} {name}" for name in names) + ".")
        heard = json.loads(out)
        share = [100 * one["messages"] / heard["expected_messages"] for one in heard["talks"]]
        stalls = sum(one["stalls"] for one in heard["talks"])
        lost = sorted({one["lost"] for one in heard["talks"] if one["lost"]})
        print(f"To each user {min(share):.2f} to {max(share):.2f} % of the frames; {stalls:,} came more than 80 ms too late.")
        print(f"One talk more: {refused}. Talks lost: {len(lost)} {lost or ''}".rstrip() + ".")
        if bench is not None:
            print(told_rows(database, talks))
        if kind == "classic":
            first, last = watch.kept[0], watch.kept[-1]
            asr_s, rest_s = last.asr_s - first.asr_s, last.server_s - first.server_s
            print(f"Of the CPU of workbench and recognisers, the recognisers took {100 * asr_s / (asr_s + rest_s):.0f} %.")


def look_on(watch: Watch, talking: subprocess.Popen[str], url: str, query: Query) -> str:
    """Reads once a minute until the users have gone. Gives what a talk too many was told after the first window."""
    refused = ""
    time.sleep(START_S)
    watch.read()
    next_s = time.perf_counter() + WINDOW_S
    while talking.poll() is None:
        time.sleep(0.25)
        watch.look()
        if time.perf_counter() >= next_s and talking.poll() is None:
            watch.read()
            next_s += WINDOW_S
            refused = refused or asyncio.run(one_more(url, query))
    return refused or "not tried, the run was too short"


async def one_more(url: str, query: Query) -> str:
    """The first thing that is told to a talk for which there is no place."""
    try:
        async with await ChatClient.connect(url, wait_for_handshake=False, events=True, **query) as client:
            async with asyncio.timeout(30.0):
                async for message in client.receive():
                    told = f"{message.type} {message.data}" if isinstance(message, Metadata) else str(message)
                    return f"told `{told}`"
            return f"closed with {client.close_reason}"
    except (ChatError, TimeoutError) as error:
        return f"refused: {error}"


def told_rows(database: Path, talks: int) -> str:
    """How many of the talks are whole in the store that the server left behind."""
    store = DuckDbStore(database)
    try:
        rows = store.query(WHOLE)
    finally:
        store.close()
    whole = [row for row in rows if row["ticks"] == row["last_tick"] > 0 and row["last_event"] == "SessionClosed" and not row["is_active"]]
    ends = sorted({f"{row['ended_reason']} {row['ended_detail'] or ''}".strip() for row in rows})
    ticks = sum(row["ticks"] for row in rows)
    return f"In the store: {len(whole)} of {talks} talks whole, {ticks:,} ticks, ended by {', '.join(ends)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of talks, separated by commas")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--talks", type=int, help="instead of 16 at the gateway, 8 through the workbench, what is admitted of classic ones")
    parser.add_argument("--gateways", type=int, help="instead of one for each core at the gateway, 1 through the workbench")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(KINDS):
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    usual = {"gateway": 16, "personaplex": 8, "classic": SESSIONS_PER_CORE * cores()}
    print(f"{machine()}; yardstick {yardstick_ms():.1f} ms")
    for kind in wanted:
        talks = options.talks or usual[kind]
        count = options.gateways or (cores() if kind == "gateway" else 1)
        print(
            f"\n### {kind}: {talks} talks{'' if kind == 'classic' else f', gateways: {count}'}, {options.minutes:g} minutes\n", flush=True
        )
        run(kind, talks, options.minutes, count)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
