"""Which columns and event fields hold what somebody said, typed or was told, and how they are left out or redacted on export.

Three rules, in SQL, so that they cost no more than the export itself:
`keep`: as it is. `blank`: nothing of it is left. `redact`: e-mail addresses become `[email]`; seven digits or more, however they are
grouped, and five or more spoken digits in a row become `[number]`. Words that come in pieces (partial transcripts, the agent's text
pieces, keys of a telephone) are blanked under `redact`, because a number that is split over two pieces cannot be seen; the turns hold the
whole text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Rule = Literal["keep", "redact", "blank"]
Shape = Literal["text", "json"]

COLUMNS: Mapping[str, Mapping[str, Shape]] = {
    "voice_sessions": {"ended_detail": "text"},
    "voice_turns": {"text": "text"},
    "voice_tool_invocations": {"arguments": "json", "result": "json", "spoken": "text", "error": "text"},
    "voice_decisions": {"text": "text"},
    "voice_barge_in_events": {"cancelled_text": "text", "heard_text": "text"},
    "voice_ratings": {"rater": "text", "note": "text"},
}
"""Columns with words in them."""

_PLAIN = {
    "voice_sessions": """session_id conversation_id mode persona voice_prompt metadata persona_hash engine engine_reason transport pace
        latency_model ended_reason scored_by process_id""",
    "voice_turns": "turn_id session_id speaker engine",
    "voice_tool_invocations": "invocation_id session_id agent action status utterance_id tier delivered_how",
    "voice_decisions": "session_id utterance_id act reason tool tier invocation_id pending_id",
    "voice_barge_in_events": "event_id session_id outcome",
    "voice_events": "session_id kind",
    "voice_frame_timings": "session_id engine",
    "voice_personas": "content_hash persona_id name voice role tools sampling",
    "voice_recordings": "session_id path codec",
    "voice_ratings": "session_id rating_id trial_id",
}
PLAIN_COLUMNS: Mapping[str, frozenset[str]] = {table: frozenset(columns.split()) for table, columns in _PLAIN.items()}
"""Text columns without words in them. A text column that stands in neither list is taken for words."""

EVENT_FIELDS: Mapping[str, Mapping[str, Shape]] = {
    "SessionClosed": {"detail": "text"},
    "EngineLost": {"reason": "text"},
    "Notice": {"message": "text"},
    "UserText": {"text": "text"},
    "DigitPressed": {"digit": "text"},
    "AgentText": {"text": "text"},
    "TurnEnded": {"text": "text"},
    "BargeIn": {"heard_text": "text", "cancelled_text": "text"},
    "AgentStopped": {"heard_text": "text", "cancelled_text": "text"},
    "Backchannel": {"text": "text"},
    "IntentFound": {"arguments": "json"},
    "DecisionMade": {"text": "text"},
    "ToolProposed": {"arguments": "json", "prompt": "text"},
    "ToolConfirmed": {"phrase": "text"},
    "ToolRefused": {"reason": "text"},
    "ToolStarted": {"arguments": "json"},
    "ToolProgressed": {"message": "text"},
    "ToolFinished": {"result": "json", "spoken": "text"},
    "ToolFailed": {"error": "text"},
    "ToolCancelled": {"reason": "text"},
    "NoticeDelivered": {"text": "text"},
    "FidelityMeasured": {"reference": "text", "transcript": "text"},
}
"""Fields of events with words in them, by kind. A test asks of every new text field whether it belongs here."""

_IN_PIECES = "kind = 'AgentText' OR (kind = 'UserText' AND payload->>'final' = 'false')"
_A_KEY = "kind = 'DigitPressed'"
"""A number comes as one event for each key, and none of them is long."""

_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_DIGITS = r"\+?\d(?:[ ().\/-]{0,3}\d){6,}"
_DIGIT = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"
_SPOKEN = rf"(?i)\b{_DIGIT}(?:[\s,-]+{_DIGIT}){{4,}}\b"
_JSON_NUMBER = r"([:\[,]\s*)-?[\d.]{7,}(?:[eE][+-]?\d+)?(\s*[,\]}])"


def redacted(text: str) -> str:
    """SQL for the redacted form of the SQL expression `text`."""
    for pattern, sign in ((_EMAIL, "[email]"), (_SPOKEN, "[number]"), (_DIGITS, "[number]")):
        text = f"regexp_replace({text}, '{pattern}', '{sign}', 'g')"
    return text


def _redacted_json(value: str) -> str:
    """The same for JSON text. A bare number becomes a string; a value that would no longer be JSON is left out whole."""
    # Twice: two numbers side by side share the comma between them, and a match takes it.
    once = f"regexp_replace({value}, '{_JSON_NUMBER}', '\\1\"[number]\"\\2', 'g')"
    twice = f"regexp_replace({once}, '{_JSON_NUMBER}', '\\1\"[number]\"\\2', 'g')"
    done = redacted(twice)
    return f"CASE WHEN json_valid({done}) THEN {done} END"


def column_sql(table: str, column: str, kind: str, rule: Rule) -> str:
    """SQL for one column of a select over `table`; `kind` is its SQL type. JSON becomes text: every reader of Parquet knows that."""
    plain = f"CAST({column} AS VARCHAR) AS {column}" if kind == "JSON" else column
    if rule == "keep" or kind not in ("VARCHAR", "JSON") or column in PLAIN_COLUMNS.get(table, ()):
        return plain
    if table == "voice_events":
        return f"{_payload(rule)} AS {column}"
    if table == "voice_personas":
        # Prompts are the researcher's own words: they go by an option of their own.
        return plain
    if rule == "blank":
        return f"CAST(NULL AS VARCHAR) AS {column}"
    shape = COLUMNS.get(table, {}).get(column, "json" if kind == "JSON" else "text")
    text = f"CAST({column} AS VARCHAR)"
    return f"{_redacted_json(text) if shape == 'json' else redacted(text)} AS {column}"


def _payload(rule: Rule) -> str:
    """The payload of an event with its words blanked or redacted; the fields stay, so that it is still that event."""
    cases = []
    if rule == "redact":
        cases = [
            f"WHEN {_IN_PIECES} THEN {_patched({'text': _blank('text')})}",
            f"WHEN {_A_KEY} THEN {_patched({'digit': _blank('text')})}",
        ]
    for kind, fields in EVENT_FIELDS.items():
        changes = {name: _blank(shape) if rule == "blank" else _field(name, shape) for name, shape in fields.items()}
        cases.append(f"WHEN kind = '{kind}' THEN {_patched(changes)}")
    return f"CAST(CASE {' '.join(cases)} ELSE payload END AS VARCHAR)"


def _blank(shape: Shape) -> str:
    return "''" if shape == "text" else "CAST('{}' AS JSON)"


def _field(name: str, shape: Shape) -> str:
    if shape == "text":
        said = redacted(f"payload->>'{name}'")
        return f"coalesce({said}, '')"
    value = _redacted_json(f"CAST(payload->'{name}' AS VARCHAR)")
    return f"coalesce(CAST({value} AS JSON), {_blank('json')})"


def _patched(changes: Mapping[str, str]) -> str:
    # A merge keeps the keys of an inner object that the patch does not name, so the old value is taken out first.
    nulls = ", ".join(f'"{name}": null' for name in changes)
    fields = ", ".join(f"'{name}', {value}" for name, value in changes.items())
    return f"json_merge_patch(json_merge_patch(payload, '{{{nulls}}}'), json_object({fields}))"
