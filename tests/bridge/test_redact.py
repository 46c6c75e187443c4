from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.redact import HIDDEN, Redactor, redact_log


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("GET http://me:pw@host/x failed", f"GET http://{HIDDEN}@host/x failed"),
        ("sent Bearer abc.def-123", f"sent Bearer {HIDDEN}"),
        ("401 for Basic dXNlcjpwdw==", f"401 for Basic {HIDDEN}"),
        ("https://host/x?api_key=12345678&q=1", f"https://host/x?api_key={HIDDEN}&q=1"),
        ('{"access_token": "abcd1234", "ok": 1}', f'{{"access_token": "{HIDDEN}", "ok": 1}}'),
        ("MY_PASSWORD=hunter22 refused", f"MY_PASSWORD={HIDDEN} refused"),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {HIDDEN}"),
        ("Authorization: abcdef123456 x", f"Authorization: {HIDDEN} x"),
        ("x-api-key: k-123456", f"x-api-key: {HIDDEN}"),
        ("the token ring is a network", "the token ring is a network"),
        ("nothing secret: 42", "nothing secret: 42"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, cleaned: str) -> None:
    assert Redactor().clean(text) == cleaned
    assert Redactor().clean(cleaned) == cleaned, "every layer cleans; none must mangle what another has cleaned"


def test_learnt_values_are_taken_out_wherever_they_stand() -> None:
    redactor = Redactor(["Bearer tok-tok-tok", "tok-tok"])
    assert redactor.clean("xtok-tok-toky") == f"x{HIDDEN}y"
    assert redactor.known("api_key=1234 tok-tok") == f"api_key=1234 {HIDDEN}"
    redactor.learn("ab", "")
    assert redactor.clean("ab about") == "ab about", "what is that short is no secret"


@given(st.text(min_size=4).map(str.strip).filter(lambda text: len(text) >= 4 and text not in HIDDEN), st.text(), st.text())
def test_no_learnt_value_survives(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).known(f"{before}{secret}{after}").replace(HIDDEN, "\0")


def test_lines_and_tracebacks_of_the_log_are_cleaned() -> None:
    lines = io.StringIO()
    logger = logging.Logger("own")
    logger.addHandler(logging.StreamHandler(lines))
    redactor = Redactor(["geheimnis"])
    redact_log(logger, redactor)
    redact_log(logger, redactor)
    logger.warning("asked %s", "http://me:pw@host")
    try:
        raise ValueError("the key is geheimnis")
    except ValueError:
        logger.exception("it failed")
    assert "pw@" not in lines.getvalue()
    assert "geheimnis" not in lines.getvalue()
    assert f"ValueError: the key is {HIDDEN}" in lines.getvalue()


@given(st.text(alphabet="tokensecrBa :=\"'[]hid/@1234567890", max_size=60))
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    cleaned = Redactor().clean(text)
    assert Redactor().clean(cleaned) == cleaned
