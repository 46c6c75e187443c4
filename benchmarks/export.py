"""What a large store costs: exporting a million turns, and each query of the notebooks over the export.

    python -m benchmarks.export --turns 1000000

The rows are made in bulk inside the database, with the shapes and rates of real talks: turns of 2 to 4 s, a frame timing every 80 ms,
a dozen events a turn and three more for a tool, talk after talk as a recorder writes them, ids of 32 characters. Their content is invented
and means nothing; only how many there are counts. The query of the notebooks is printed beside the time that DuckDB takes to read one
column of the turns, the least that any query over them can cost.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import machine, percentile, table
from workbench.analysis import barge_in, latency, personas, timeline, tools
from workbench.analysis.source import ExportSource
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import ExportOptions, export, read_schema

TURNS_PER_TALK = 20
TALKS_PER_DAY = 1_000
TURN_S = 3
FRAMES_PER_TURN = 37
RUNS = 3

_SESSIONS = """
INSERT INTO voice_sessions (session_id, conversation_id, mode, persona, voice_prompt, started_at, ended_at, is_active, persona_hash, engine,
                            transport, recording, pace, latency_model, ended_reason)
SELECT md5(i::VARCHAR), 'c' || i, CASE WHEN i % 3 = 0 THEN 'personaplex' ELSE 'classic' END, 'persona-' || (i % 4), 'NATF2',
       TIMESTAMPTZ '2026-01-01 00:00:00+00' + i * INTERVAL '86400 seconds' / {per_day},
       TIMESTAMPTZ '2026-01-01 00:00:00+00' + i * INTERVAL '86400 seconds' / {per_day} + INTERVAL '1 minute',
       FALSE, repeat((i % 8)::VARCHAR, 64), CASE WHEN i % 3 = 0 THEN 'personaplex' ELSE 'classic' END, 'webrtc', FALSE,
       'realtime', 'wall', 'hung_up'
FROM generate_series(0, {talks} - 1) AS g (i)
"""
_PERSONAS = """
INSERT INTO voice_personas (content_hash, persona_id, name, voice, role, prompt, tools, sampling)
SELECT repeat(i::VARCHAR, 64), 'persona-' || i, 'P', 'NATF2', 'assistant', 'You are P.', '[]', '{{}}' FROM generate_series(0, 7) AS g (i)
"""
_TURNS = """
INSERT INTO voice_turns (turn_id, session_id, speaker, text, duration_ms, timestamp, start_ms, end_ms, latency_ms, interrupted, engine)
SELECT 't' || n, md5(i::VARCHAR), CASE WHEN n % 2 = 0 THEN 'user' ELSE 'agent' END, md5('s' || i || n) || ' ' || md5('t' || i || n), 2500,
       TIMESTAMPTZ '2026-01-01 00:00:00+00', n * {turn_ms}, n * {turn_ms} + 2500, (hash(i * 31 + n) % 2000)::DOUBLE - 400, n % 11 = 3,
       CASE WHEN i % 3 = 0 THEN 'personaplex' ELSE 'classic' END
FROM generate_series({first}, {last} - 1) AS g (i), generate_series(0, {per_talk} - 1) AS h (n)
"""
_BARGE_INS = """
INSERT INTO voice_barge_in_events (event_id, session_id, cancelled_text, outcome, heard_text, start_ms, stop_ms, stop_latency_ms)
SELECT 'b' || n, md5(i::VARCHAR), '', ['yielded', 'yielded', 'ignored', 'censored'][1 + (i + n) % 4], '', n * {turn_ms} + 1000,
       CASE WHEN (i + n) % 4 < 2 THEN n * {turn_ms} + 1400 END, CASE WHEN (i + n) % 4 < 2 THEN (hash(i + n) % 900)::DOUBLE END
FROM generate_series({first}, {last} - 1) AS g (i), generate_series(1, {per_talk} - 1, 10) AS h (n)
"""
_TOOLS = """
INSERT INTO voice_tool_invocations (invocation_id, session_id, agent, action, status, latency_ms, start_ms, end_ms, utterance_id, tier,
                                    arguments, result, spoken, delivered_how, words_asked, words_heard, interrupted)
SELECT md5('i' || i || '-' || n), md5(i::VARCHAR), 'local', 'tool_' || (n % 5),
       CASE WHEN n % 9 = 0 THEN 'error' ELSE 'success' END, (hash(i + n) % 3000)::DOUBLE,
       n * {turn_ms}, n * {turn_ms} + 800, md5('u' || i || '-' || n), 'read',
       '{{"place": "Tokyo"}}', '{{"time": "17:30"}}', 'It is half past five.',
       'engine', 5, 5, FALSE
FROM generate_series({first}, {last} - 1) AS g (i), generate_series(0, {per_talk} - 1, 4) AS h (n)
"""
_KINDS = "['UserSpeech', 'UserSpeech', 'UserText', 'IntentFound', 'StageTiming', 'StageTiming', 'AgentSpeech', 'AgentText', 'AgentText', "
_KINDS += "'AgentText', 'AgentSpeech', 'TurnEnded', 'ToolStarted', 'ToolFinished', 'ResultDelivered']"
_EVENTS = f"""
INSERT INTO voice_events (session_id, seq, kind, at_samples, noticed_samples, payload)
SELECT md5(i::VARCHAR) AS session, n * 15 + k AS number, {_KINDS}[k + 1],
       n * {{turn_ms}} * 24 + k * 2000, n * {{turn_ms}} * 24 + k * 2000 + 500,
       '{{{{"utterance_id": "' || md5('u' || i || '-' || n) || '", "edge": "' || CASE WHEN k IN (0, 6) THEN 'start' ELSE 'stop' END ||
       CASE WHEN k < 12 THEN '' ELSE '", "invocation_id": "' || md5('i' || i || '-' || n) END ||
       '", "text": "' || md5(i || '-' || n || '-' || k) || '", "final": true, ' ||
       '"start_samples": 0, "detector": "silero", "stage": "asr", "ms": 20.5}}}}'
FROM generate_series({{first}}, {{last}} - 1) AS g (i), generate_series(0, {{per_talk}} - 1) AS h (n), generate_series(0, 14) AS e (k)
WHERE k < 12 OR n % 4 = 0 ORDER BY session, number
"""
_FRAMES = """
INSERT INTO voice_frame_timings (session_id, seq, at_samples, noticed_samples, frame, late_ms, listen_ms, engine_ms, total_ms, engine)
SELECT md5(i::VARCHAR) AS session, 1000000 + n AS number, n * 1920, n * 1920, n, 3 * random(), 2 * random(), 50 * random(),
       2 + 50 * random(), CASE WHEN i % 3 = 0 THEN 'personaplex' ELSE 'classic' END
FROM generate_series({first}, {last} - 1) AS g (i), generate_series(1, {frames}) AS h (n)
ORDER BY session, number
"""


def fill(store: DuckDbStore, turns: int) -> None:
    """About `turns` turns and all that comes with them, in chunks that fit the store's memory limit."""
    talks = turns // TURNS_PER_TALK
    given = {"talks": talks, "per_day": TALKS_PER_DAY, "turn_ms": TURN_S * 1_000, "per_talk": TURNS_PER_TALK}
    store.write((_PERSONAS.format(), []))
    store.write((_SESSIONS.format(**given), []))
    step = 2_000
    for first in range(0, talks, step):
        part = given | {"first": first, "last": min(first + step, talks), "frames": TURNS_PER_TALK * FRAMES_PER_TURN}
        for sql in (_TURNS, _BARGE_INS, _TOOLS, _EVENTS, _FRAMES):
            store.write((sql.format(**part), []))


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds on the wall and on the processor; on a machine that others use, the second is the steadier."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], object], runs: int = RUNS) -> list[Run]:
    taken = []
    for _run in range(runs):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        taken.append(Run(time.perf_counter() - began, time.process_time() - began_cpu))
    return taken


def queries(source: ExportSource) -> list[tuple[str, Callable[[], object]]]:
    """What the notebooks ask of an export, by name; the first is the least that can be asked."""
    answers, barge_ins = latency.answers(source), barge_in.barge_ins(source)
    calls, data = tools.calls(source), personas.persona_data(source)
    first, second = data.versions[:2]
    talk = str(timeline.sessions(source).iloc[0]["session_id"])
    return [
        ("baseline: one column of the turns, summed", lambda: source.frame("SELECT sum(latency_ms) FROM turns")),
        ("sessions", lambda: timeline.sessions(source)),
        ("latency.offsets", lambda: latency.offsets(source)),
        ("latency.answers", lambda: latency.answers(source)),
        ("latency.summary, with intervals", lambda: latency.summary(answers, "engine")),
        ("latency.stages", lambda: latency.stages(source)),
        ("latency.frames", lambda: latency.frames(source)),
        ("latency.frame_strip", lambda: latency.frame_strip(source)),
        ("barge_in.barge_ins", lambda: barge_in.barge_ins(source)),
        ("barge_in.summary, with intervals", lambda: barge_in.summary(barge_ins, "persona")),
        ("barge_in.raster", lambda: barge_in.raster(source, barge_ins)),
        ("tools.calls", lambda: tools.calls(source)),
        ("tools.summary", lambda: tools.summary(calls)),
        ("personas.persona_data", lambda: personas.persona_data(source)),
        ("personas.measures, with intervals", lambda: personas.measures(data)),
        ("personas.compare, with intervals", lambda: personas.compare(data, first, second)),
        ("personas.prompts", lambda: personas.prompts(source)),
        ("timeline of one talk", lambda: timeline.timeline(source, talk)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="Keep the store and the export here, and use them when they are there.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run(given.turns, given.folder or Path(scratch))


def run(turns: int, place: Path) -> None:
    print(machine(), flush=True)
    out = place / f"export-{turns}"
    if not out.exists():
        _measure_export(turns, place, out)
    source = ExportSource(out)
    print(machine(), flush=True)
    asked = [(name, timed(query)) for name, query in queries(source)]
    source.close()
    least = percentile([taken.wall_s for taken in asked[0][1]], 50) or 1.0
    print(
        table(
            ["query", "n", "wall ms, p50", "wall ms, max", "CPU ms, p50", "of the baseline"], [_query_row(*row, least) for row in asked], 1
        )
    )


def _measure_export(turns: int, place: Path, out: Path) -> None:
    store = DuckDbStore(place / f"turns-{turns}.duckdb")
    try:
        if not store.query("SELECT 1 FROM voice_sessions LIMIT 1"):
            began = time.perf_counter()
            fill(store, turns)
            print(f"The store was filled in {time.perf_counter() - began:.0f} s.", flush=True)
        rows = []
        arms = (("as it is", out, ExportOptions(words="keep")), ("--redact", place / "redacted", ExportOptions(words="redact")))
        for name, folder, options in arms:
            (taken,) = timed(functools.partial(export, store, place, folder, options, replace=True), 1)
            tables = read_schema(folder)["tables"]
            size = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6
            total = sum(found["rows"] for found in tables.values())
            load = os.getloadavg()[0]
            rows.append([name, tables["turns"]["rows"], total, size, taken.wall_s, taken.cpu_s, load])
            print(table(["export", "turns", "rows", "MB", "wall s", "CPU s", "load"], rows[-1:], 1), flush=True)
    finally:
        store.close()


def _query_row(name: str, taken: list[Run], least: float) -> list[str | int | float | None]:
    walls = [run.wall_s for run in taken]
    middle = percentile(walls, 50) or 0.0
    cpu = percentile([run.cpu_s for run in taken], 50) or 0.0
    return [name, len(taken), middle * 1_000, max(walls) * 1_000, cpu * 1_000, middle / least]


if __name__ == "__main__":
    main()
