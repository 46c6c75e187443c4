"""What is made of the bodies that other systems send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.providers.answers import error_of, read_data, text_of, told
from workbench.bridge.providers.http import Answer
from workbench.bridge.tool import ToolError


@pytest.mark.parametrize("key", ["response_text", "response", "text", "message", "answer"])
def test_the_text_is_found_under_all_its_names(key: str) -> None:
    assert text_of({"agent": "x", key: " Said. "}) == "Said."
    assert text_of({key: "", "answer": "The other."}) == "The other."
    assert text_of({key: 3}) == ""


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"response_text": "Fine.", "error": "the voice was lost"}, ""),
        ({"message": "Something broke", "error": "timeout"}, "timeout"),
        ({"detail": "Not found"}, "Not found"),
        ({"ok": False, "message": "No such device"}, "No such device"),
        ({"success": False}, "it does not say why"),
        ({"status": "rejected", "response_text": "You did not confirm."}, "You did not confirm."),
        ({"status": "ok", "message": "Done"}, ""),
        ({"error": None, "text": "Done"}, ""),
        ({"error": {"code": 3}}, "{'code': 3}"),
    ],
)
def test_an_error_inside_a_good_answer_is_seen(data: dict[str, object], error: str) -> None:
    assert error_of(data) == error


def test_sound_that_nobody_asked_for_is_dropped() -> None:
    body = {"response_text": "Hi", "audio_base64": "A" * 1_000, "audio_mime": "audio/mpeg"}
    assert read_data(Answer(200, json.dumps(body).encode(), "application/json"), "it") == {"response_text": "Hi"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=14), inner, max_size=4),
    max_leaves=12,
)
_TYPES = st.sampled_from(["application/json", "text/html", "text/plain", "", "application/problem+json"])


@given(_JSON, _TYPES)
def test_any_json_is_read(value: object, content_type: str) -> None:
    data = read_data(Answer(200, json.dumps(value).encode(), content_type), "it")
    json.dumps(data, allow_nan=False)
    assert all(isinstance(said, str) for said in (text_of(data), error_of(data), told(data)))


@pytest.mark.parametrize("body", [b"Infinity", b'{"a": [NaN]}', b"-Infinity"])
def test_what_python_takes_for_json_and_json_does_not_is_refused(body: bytes) -> None:
    with pytest.raises(ToolError, match="is not JSON"):
        read_data(Answer(200, body, "application/json"), "it")


@given(st.binary(max_size=200), _TYPES, st.sampled_from(["utf-8", "latin-1", "no-such-charset", "utf-16"]))
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str, charset: str) -> None:
    data, refused = None, ""
    try:
        data = read_data(Answer(200, body, content_type, charset), "it")
    except ToolError as error:
        refused = str(error)
    assert ("broken JSON" in refused) == (data is None)
    json.dumps(data, allow_nan=False)
