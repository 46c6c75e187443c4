"""Full-Duplex-Bench v3 files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.check.cases import Case, Document, Reader
from evaluation.fdb_v3_latency import ToolLatency, latency
from evaluation.fdb_v3_tools import Call, ToolScore, score
from evaluation.words import words_of

STORED_DIGITS = 3


def _tools(document: Document, _folder: Path) -> Iterator[Case]:
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(_tool_case, case["inputs"]))


def _tool_case(inputs: Mapping[str, Any]) -> dict[str, Any]:
    expected = [Call(c["function"], c.get("args") or {}) for c in inputs["scenario"]["expected_tool_calls"]]
    actual = [Call(c["function"], c.get("args") or {}) for c in inputs["actual_tool_calls"]]
    found = score(expected, actual)
    result = inputs["result_data"]
    return {
        "tool_selection": _selection(found),
        "argument_acc": round(found.argument_accuracy, STORED_DIGITS),
        "latency": _response(result.get("user_speech_end_rel"), result.get("audio_agent_speech_start")),
        "turn_take_success": bool(result.get("asr_chunks")),
        "passed": found.passed,
        "failure_reason": found.failure,
    }


def _selection(found: ToolScore) -> dict[str, Any]:
    return {
        "score": round(found.f1, STORED_DIGITS),
        "recall": round(found.recall, STORED_DIGITS),
        "precision": round(found.precision, STORED_DIGITS),
        "matched": found.matched,
        "total_expected": found.expected,
        "total_actual": found.actual,
        "unmatched_expected": list(found.missing),
        "unexpected_calls": list(found.unexpected),
    }


def _response(user_end_s: float | None, agent_start_s: float | None) -> dict[str, Any]:
    if user_end_s is None or agent_start_s is None:
        return {"available": False, "reason": "Missing timing fields"}
    after = round(agent_start_s - user_end_s, STORED_DIGITS)
    times = {"user_speech_end_rel": user_end_s, "audio_agent_speech_start": agent_start_s}
    return {"available": True, **times, "agent_response_latency_s": after, "is_interruption": after < 0}


def _latencies(document: Document, _folder: Path) -> Iterator[Case]:
    for case in document["cases"]:
        yield Case(case["id"], case["expected"], partial(_latency_case, case["inputs"]))


def _latency_case(inputs: Mapping[str, Any]) -> dict[str, Any]:
    result = inputs["result"]
    agent = words_of(result["asr_chunks"])
    calls = result["actual_tool_calls"]
    end_s = float(result["user_speech_end_rel"])
    found = latency(end_s, agent, [call.get("timestamp_start") for call in calls], inputs["stub_judge_text"])
    return {
        "user_speech_end_rel": result["user_speech_end_rel"],
        "turn_take_success": found.turn_taken,
        "first_response_latency_s": found.first_word_s,
        "note_first_response": found.note_first_word,
        "agent_first_word_time": agent[0].onset_s if agent else None,
        "tool_call_latency_s": found.tool_call_s,
        "note_tool_call": found.note_tool_call,
        "first_tool_call_time": calls[0].get("timestamp_start") if calls else None,
        "first_tool_name": calls[0]["function"] if calls else None,
        "task_completion_latency_s": found.completion_s,
        "note_task_completion": found.note_completion,
        **_key_info(found),
    }


def _key_info(found: ToolLatency) -> dict[str, Any]:
    info = found.key_info
    if info is None:
        return {}
    return {
        "filler_sentence": info.filler,
        "filler_start_time": info.filler_start_s,
        "filler_end_time": info.filler_end_s,
        "key_info_sentence": info.answer,
        "key_info_start_time": info.answer_start_s,
        "key_info_end_time": info.answer_end_s,
    }


READERS = {
    "fdb_v3/tool_calls.json": Reader(frozenset({"cases"}), _tools),
    "fdb_v3/latency.json": Reader(frozenset({"cases"}), _latencies),
}
