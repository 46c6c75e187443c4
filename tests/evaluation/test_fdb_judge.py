"""A judge of the benchmark's answers: what it is asked, what is kept, and that nobody's results are mixed with another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fdb_made import answer, track, v1_sample, v15_sample, write
from judge_stub import judge_stub

from evaluation.fdb_folders import FolderError, read_benchmark
from evaluation.fdb_judge import JudgeRound, judge_answers
from evaluation.fdb_score import score
from workbench.llm_endpoint import EndpointError, OpenAiEndpoint

STORY = (("once", 2.6, 3.0), ("upon", 3.0, 3.3), ("a", 3.3, 3.4), ("time", 3.4, 4.0))


async def judged(data: Path, url: str, benchmark: Any = "fdb-v1", model: str = "judge-1") -> JudgeRound:
    endpoint = OpenAiEndpoint(url, model)
    try:
        return await judge_answers(read_benchmark(benchmark, data), data, endpoint)
    finally:
        await endpoint.close()


async def test_interruptions_are_rated_once_and_the_judge_is_named(tmp_path: Path) -> None:
    folders = [v1_sample(tmp_path, "synthetic_user_interruption", str(number)) for number in (1, 2, 3)]
    answer(folders[0], *STORY)
    # No turn was taken: the benchmark rates no such answer.
    answer(folders[1], ("mhm", 2.6, 2.8))
    answer(folders[2], *STORY)
    write(folders[2] / "rating.json", {"analysis": "Theirs.", "rating": 2})
    with judge_stub(lambda _body: '```json\n{"rating": 4, "analysis": "It stops."}\n```') as stub:
        first = await judged(tmp_path, stub.url)
        assert (first.asked, first.kept, first.unread) == (1, 1, {})
        assert (await judged(tmp_path, stub.url)).asked == 0
        # Another model, or other words, are another question; somebody else's rating is never touched.
        assert (await judged(tmp_path, stub.url, model="judge-2")).asked == 1
        answer(folders[0], *STORY, ("there", 4.0, 4.2))
        assert (await judged(tmp_path, stub.url, model="judge-2")).asked == 1
        # What a crash between the judgement and its result leaves.
        (folders[0] / "rating.json").unlink()
        assert (await judged(tmp_path, stub.url, model="judge-2")).asked == 1
    asked = stub.bodies[-1]["messages"][1]["content"]
    assert '"interrupt": "Wait, stop."' in asked
    assert '"answer": "once upon a time there"' in asked
    kept = json.loads((folders[0] / "judgement.json").read_text())
    assert (kept["model"], kept["host"], "It stops." in kept["answer"]) == ("judge-2", "127.0.0.1", True)
    assert kept["messages"] == stub.bodies[-1]["messages"]
    assert json.loads((folders[2] / "rating.json").read_text())["rating"] == 2

    samples = read_benchmark("fdb-v1", tmp_path)
    with pytest.raises(FolderError, match="judged by several"):
        score(samples, tmp_path, "fdb-v1", words="made", resamples=100)
    (folders[2] / "rating.json").unlink()
    (task,) = score(samples, tmp_path, "fdb-v1", words="made", resamples=100).tasks
    assert {m.key: m.value for m in task.measures}["rating"] == 4.0
    assert task.notes == ("1 of the 2 answers that took the turn are rated, by judge-2 at 127.0.0.1, asked in our words",)


async def test_overlaps_are_labelled_and_what_cannot_be_read_is_no_label(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = v15_sample(tmp_path, "talking_to_other", str(number))
        answer(folder, *STORY, sound=track(6.0))
        write(folder / "clean_output.json", {"text": "yes", "chunks": [{"text": "yes", "timestamp": [1, 2]}]})
    answers = iter(('{"behaviour": "C_RESUME", "analysis": ""}', '{"behaviour": "C_IGNORE"}'))
    with judge_stub(lambda _body: next(answers)) as stub:
        found = await judged(tmp_path, stub.url, "fdb-v1.5")
        again = await judged(tmp_path, stub.url, "fdb-v1.5")
    assert (found.asked, again.asked, again.kept) == (2, 0, 2)
    assert again.unread == found.unread
    assert "behaviour is 'C_IGNORE'" in found.unread["talking_to_other/2"]
    assert not (tmp_path / "talking_to_other" / "2" / "content_tag.json").exists()
    told = stub.bodies[0]["messages"][1]["content"]
    assert '"agent": [["once", 2.6, 3.0]' in told
    assert '"overlap_s": [2.0, 2.5], ' in told
    assert '"agent_without_overlap": "yes"' in told
    (task,) = score(read_benchmark("fdb-v1.5", tmp_path), tmp_path, "fdb-v1.5", words="made", resamples=100).tasks
    values = {m.key: (m.value, m.n) for m in task.measures}
    assert (values["C_RESUME"], values["C_RESPOND"]) == ((1.0, 1), (0.0, 1))
    assert task.notes[0].startswith("1 of 2 answers are labelled, by judge-1")


async def test_a_judge_that_fails_leaves_what_was_judged(tmp_path: Path) -> None:
    for number in (1, 2):
        answer(v1_sample(tmp_path, "synthetic_user_interruption", str(number)), *STORY)
    answers = iter(('{"rating": 5, "analysis": ""}', None))
    with judge_stub(lambda _body: next(answers)) as stub, pytest.raises(EndpointError):
        await judged(tmp_path, stub.url)
    assert (tmp_path / "synthetic_user_interruption" / "1" / "rating.json").exists()
    assert not (tmp_path / "synthetic_user_interruption" / "2" / "judgement.json").exists()
