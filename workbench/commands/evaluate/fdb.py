"""`workbench evaluate fdb-v1` and `fdb-v1.5`: Full-Duplex-Bench played to an engine, or somebody's outputs of it scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluation.engines_alone import engines_alone
from evaluation.fdb_folders import HUMAN_FILE, Benchmark, FolderError, Sample, read_benchmark, read_human
from evaluation.fdb_judge import judge_answers
from evaluation.fdb_run import Played, run_samples
from evaluation.fdb_run_folder import Conditions, RunError, parts_of, read_run, rewritten
from evaluation.fdb_score import Scores, score
from evaluation.fdb_table import tables
from evaluation.fdb_v1_backchannel import Script
from evaluation.word_times import WordSource
from workbench.commands.common import CommandError, DataDir, Json, load_settings, run, say, show
from workbench.commands.evaluate.judging import judge_endpoint
from workbench.llm_endpoint import EndpointError
from workbench.settings import Settings

FAILED_CODE = 1
"""Some talks were not the engine's own to their end."""
FRAME_NOTE = (
    "Times are those of the audible sound: the answer to a frame begins at its end, 80 ms later than in scripts that write it beside."
)

Data = Annotated[Path, typer.Option("--data", help="The benchmark's folder, as its archives unpack.")]
EngineName = Annotated[str | None, typer.Option("--engine", help="Engine to play the inputs to, by name.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; an interrupted one is gone on with.")]
Outputs = Annotated[Path | None, typer.Option("--score", help="Play nothing: score the outputs in this folder ({task}/{ID}/output.json).")]
WordsBy = Annotated[str | None, typer.Option(help="Who wrote those outputs' words, for the table, such as `Parakeet TDT 0.6b v2`.")]
Words = Annotated[WordSource, typer.Option(help="Where the agent's words and their times come from.")]
PersonaId = Annotated[str | None, typer.Option("--persona", help="A persona's own prompt instead of the benchmark's.")]
Voice = Annotated[str | None, typer.Option(help="Voice of the agent.")]
Seed = Annotated[int | None, typer.Option(help="Seed, for engines that take one.")]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="Only this task; may be given more than once.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many samples of each task.")]
Realtime = Annotated[bool, typer.Option("--realtime/--fast", help="At the pace of a live talk, or as fast as the parts allow.")]
Human = Annotated[Path | None, typer.Option(help=f"{HUMAN_FILE}, from the benchmark's scripts; else it is looked for in --data.")]
Judge = Annotated[
    bool, typer.Option("--judge", help="Have the answers that nobody has judged yet judged by the model of WORKBENCH_LLM_BASE_URL.")
]
TestEngines = Annotated[bool, typer.Option("--test-engines", help="Also offer the echo and scripted engines.")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both commands take."""

    benchmark: Benchmark
    data: Path
    engine: str | None
    out: Path | None
    outputs: Path | None
    words: WordSource
    words_by: str | None
    persona: str | None
    voice: str | None
    seed: int | None
    tasks: Sequence[str]
    limit: int | None
    realtime: bool
    judge: bool
    data_dir: Path | None
    test_engines: bool
    human: Path | None = None
    script: Script = "fixed"


@dataclass(frozen=True, slots=True)
class _Result:
    """What is printed: who answered, what became of a run's samples (None where outputs were scored), and the scores."""

    system: str
    account: dict[str, Any] | None
    parts: Sequence[str]
    played: Played | None
    scores: Scores


def fdb_v1(
    data: Data,
    engine: EngineName = None,
    out: Out = None,
    outputs: Outputs = None,
    words: Words = "pocketsphinx",
    words_by: WordsBy = None,
    human: Human = None,
    script: Annotated[Script, typer.Option(help="Version of the backchannel script; figures of the two share no table.")] = "fixed",
    persona: PersonaId = None,
    voice: Voice = None,
    seed: Seed = None,
    task: Tasks = None,
    limit: Limit = None,
    realtime: Realtime = False,
    judge: Judge = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    test_engines: TestEngines = False,
) -> None:
    """Full-Duplex-Bench v1: pauses, backchannels, turn-taking, interruptions; played to an engine and scored, or outputs scored."""
    shared = (engine, out, outputs, words, words_by, persona, voice, seed, task or (), limit, realtime, judge, data_dir, test_engines)
    _evaluate(_Asked("fdb-v1", data, *shared, human=human, script=script), as_json=as_json)


def fdb_v15(
    data: Data,
    engine: EngineName = None,
    out: Out = None,
    outputs: Outputs = None,
    words: Words = "pocketsphinx",
    words_by: WordsBy = None,
    persona: PersonaId = None,
    voice: Voice = None,
    seed: Seed = None,
    task: Tasks = None,
    limit: Limit = None,
    realtime: Realtime = False,
    judge: Judge = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    test_engines: TestEngines = False,
) -> None:
    """Full-Duplex-Bench v1.5: overlaps of four kinds; played to an engine and timed, or outputs timed."""
    shared = (engine, out, outputs, words, words_by, persona, voice, seed, task or (), limit, realtime, judge, data_dir, test_engines)
    _evaluate(_Asked("fdb-v1.5", data, *shared), as_json=as_json)


def _evaluate(asked: _Asked, *, as_json: bool) -> None:
    async def work() -> _Result:
        try:
            return await _result(asked)
        except (FolderError, RunError) as fault:
            raise CommandError(f"{fault}.") from fault

    result = run(work)
    if as_json:
        show(json.dumps(asdict(result), ensure_ascii=False, allow_nan=False))
    else:
        show(tables(result.scores, result.system))
        for line in _remarks(result):
            show(line)
    if result.played is not None and result.played.failed:
        say(f"{len(result.played.failed)} samples failed and are in no mean; the same command tries them again.")
        raise typer.Exit(FAILED_CODE)


async def _result(asked: _Asked) -> _Result:
    samples = _first(read_benchmark(asked.benchmark, asked.data, asked.tasks), asked.limit)
    people = _people(asked)
    played = None
    if asked.outputs is not None:
        if asked.engine is not None or asked.out is not None:
            raise CommandError("--score scores outputs that are there; --engine and --out are for playing. Give one or the other.")
        folder = asked.outputs
    elif asked.engine is None or asked.out is None:
        raise CommandError("Nothing to do: give --engine and --out to play the benchmark, or --score with a folder of outputs.")
    elif asked.engine == "auto":
        raise CommandError("A benchmark measures one engine: name it, since `auto` may take another for every sample.")
    else:
        folder = asked.out
        played = await _play(samples, asked, asked.engine, folder)
    account = read_run(folder)
    words = _words_by(folder, account, samples, asked.words_by)
    if asked.judge:
        await _judge(samples, folder, load_settings(data_dir=asked.data_dir))
    # A score takes seconds of a core, and the loop has nothing else to do.
    scores = score(samples, folder, asked.benchmark, words=words, human=people, script=asked.script)
    system = str(account["conditions"]["engine"]) if account is not None else folder.resolve().name
    return _Result(system, account, parts_of(folder, samples), played, scores)


def _words_by(folder: Path, account: dict[str, Any] | None, samples: Sequence[Sample], named: str | None) -> str:
    """Who wrote the words of a folder of outputs. Raises CommandError where that is not one and the same for all."""
    if account is None:
        return named or "by whom is not told (--words-by)"
    changed, talks = rewritten(folder, samples), sum((folder / sample.name).is_dir() for sample in samples)
    if not changed and named is None:
        return str(account["words"])
    if not changed:
        raise CommandError(f"The words of {folder} are those that its run wrote down ({account['words']}); leave out --words-by.")
    if len(changed) < talks:
        raise CommandError(
            f"In {folder} somebody else wrote down the words of {len(changed)} of {talks} samples (such as {changed[0]}). "
            "Two sources give no table; recognise all of them, or none."
        )
    if named is None:
        raise CommandError(f"The words of {folder} are no longer those that its run wrote down. Say whose they are with --words-by.")
    return named


async def _play(samples: Sequence[Sample], asked: _Asked, engine: str, out: Path) -> Played:
    settings = load_settings(data_dir=asked.data_dir, test_engines=asked.test_engines or None)
    conditions = Conditions(
        benchmark=asked.benchmark,
        engine=engine,
        words=asked.words,
        persona=asked.persona,
        voice=asked.voice,
        seed=asked.seed,
        pace="realtime" if asked.realtime else "fast",
        latency_model="wall" if asked.realtime else "measured",
    )
    async with engines_alone(settings, say) as sessions:
        return await run_samples(samples, sessions, conditions, out, tell=say)


async def _judge(samples: Sequence[Sample], outputs: Path, settings: Settings) -> None:
    endpoint = judge_endpoint(settings)
    try:
        found = await judge_answers(samples, outputs, endpoint, say)
    except EndpointError as error:
        raise CommandError(f"{error} What was judged until then is kept; run it again to go on.") from error
    finally:
        await endpoint.close()
    say(f"{found.asked} answers judged by {endpoint.model} at {endpoint.host}, {found.kept} were judged before.")
    for name, fault in sorted(found.unread.items()):
        say(f"No result for {name}: the judge's answer cannot be read, {fault}.")


def _first(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """The first `limit` of every task."""
    if limit is None:
        return list(samples)
    tasks = dict.fromkeys(sample.task for sample in samples)
    return [sample for task in tasks for sample in [s for s in samples if s.task == task][:limit]]


def _people(asked: _Asked) -> dict[str, list[float]] | None:
    """Human listeners to compare backchannels with; None where there are none."""
    places = [asked.human] if asked.human is not None else [asked.data / HUMAN_FILE, asked.data / "icc_backchannel" / HUMAN_FILE]
    return next((read_human(place) for place in places if asked.human is not None or place.exists()), None)


def _remarks(result: _Result) -> list[str]:
    """What must be known beside the tables of a run of ours."""
    if result.account is None:
        return []
    lines = ["", FRAME_NOTE, *(f"Answered by {parts}." for parts in result.parts)]
    if len(result.parts) > 1:
        lines.append("The talks were not all held by the same parts; their means mix what should be compared.")
    return lines
