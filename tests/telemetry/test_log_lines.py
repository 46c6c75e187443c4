"""The lines of the log: their fields, and what is in none of them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import typer
from own_log import log_as_it_was

from workbench.bridge.redact import HIDDEN, Redactor
from workbench.commands.common import CommandError, say, told_plainly
from workbench.events import Notice, SessionClosed, UserText
from workbench.log_context import in_talk, talk_mark
from workbench.log_setup import TELLING, JsonLines, LogFormat, TextLines, start_log
from workbench.telemetry.talk_log import TalkLog


class Log:
    """A logger of its own that writes as the process's log does."""

    def __init__(self, style: LogFormat, *, name: str = "workbench.x", transcripts: bool = False) -> None:
        self.written = io.StringIO()
        self.logger = logging.Logger(name)
        handler = logging.StreamHandler(self.written)
        lines = JsonLines if style == "json" else TextLines
        handler.setFormatter(lines(Redactor(["geheimnis"]), transcripts=transcripts, telling=TELLING))
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()

    @property
    def last(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.lines[-1])
        return found


def test_a_line_is_one_object_with_these_fields() -> None:
    log = Log("json")
    log.logger.info('two\nlines and "quotes" of %s \u2028 \ud800', "a thing", extra={"color_message": "red"})
    (line,) = log.lines
    told = json.loads(line)
    assert told.keys() == {"timestamp", "level", "logger", "message"}
    assert (told["level"], told["logger"]) == ("info", "workbench.x")
    assert told["message"].startswith('two\nlines and "quotes" of a thing')
    moment = datetime.fromisoformat(told["timestamp"])
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


async def test_tasks_of_a_talk_name_it_and_those_beside_it_do_not() -> None:
    log = Log("json")

    async def work(text: str) -> None:
        await asyncio.sleep(0)
        log.logger.info(text)

    with in_talk("s-1", "ab" * 16):
        first = asyncio.create_task(work("in one"))
    with in_talk("s-2"):
        second = asyncio.create_task(work("in two"))
    await asyncio.gather(first, second, work("in none"))
    told = {line["message"]: (line.get("session_id"), line.get("trace_id")) for line in map(json.loads, log.lines)}
    assert told == {"in one": ("s-1", "ab" * 16), "in two": ("s-2", None), "in none": (None, None)}
    assert talk_mark() is None
    text = Log("text")
    with in_talk("s-1"):
        text.logger.info("hello")
    assert text.lines[0].endswith(" INFO workbench.x [s-1]: hello")


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ('1.2.3.4 - "WebSocket /api/chat?text_prompt=You%20are&x=1" [accepted]', f"WebSocket /api/chat?{HIDDEN}"),
        ("GET https://host/x?q=what+is+it failed", f"https://host/x?{HIDDEN} failed"),
        ("sent geheimnis", f"sent {HIDDEN}"),
        ("http://me:pw@host", f"http://{HIDDEN}@host"),
        ("is it there? yes", "is it there? yes"),
        ('he said token=abcd"efgh', f"token={HIDDEN}"),
    ],
)
def test_queries_and_secrets_are_hidden(style: LogFormat, told: str, kept: str) -> None:
    log = Log(style)
    log.logger.warning("%s", told)
    line = log.last["message"] if style == "json" else log.lines[0]
    assert kept in line
    for secret in ("You%20are", "what+is+it", "geheimnis", "pw@", "abcd"):
        assert secret not in log.written.getvalue()


SAID = "words that were said"


def fail() -> None:
    """Tracebacks show the code, so that the words stand elsewhere."""
    try:
        {}[SAID]
    except KeyError as inner:
        raise ExceptionGroup(SAID, [ValueError(SAID), OSError(28, "No space left on device")]) from inner


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_message_of_an_error_nobody_foresaw_is_not_logged_but_where_it_happened_is(style: LogFormat) -> None:
    log = Log(style)
    try:
        fail()
    except ExceptionGroup:
        log.logger.exception("it failed")
    told = log.last["error"] if style == "json" else log.written.getvalue()
    assert SAID not in told
    assert "in fail" in told
    assert "builtins.KeyError" in told
    assert "builtins.ValueError" in told
    assert "No space left on device" in told, "what tells of the machine is told"


def test_with_transcripts_everything_but_secrets_is_logged() -> None:
    log = Log("json", transcripts=True)
    try:
        raise ValueError("words with geheimnis")
    except ValueError:
        log.logger.exception("it failed")
    assert f"ValueError: words with {HIDDEN}" in log.last["error"]


def test_asyncio_tells_no_arguments() -> None:
    log = Log("json", name="asyncio")
    log.logger.error("Exception in callback say('what the user said')\nhandle: <Handle say('what the user said')>")
    assert log.last["message"] == "Exception in callback say"


@pytest.fixture
def own_log() -> Iterator[None]:
    with log_as_it_was():
        yield


@pytest.mark.usefixtures("own_log")
def test_debug_is_for_our_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    start_log("debug", "text")
    logging.getLogger("workbench.x").debug("ours")
    logging.getLogger("websockets.client").debug("> TEXT what the user said")
    logging.getLogger("httpx").info("HTTP Request: GET http://host")
    logging.getLogger("some.library").info("theirs")
    said = capsys.readouterr().err
    assert "ours" in said
    assert "theirs" in said
    assert "TEXT" not in said
    assert "HTTP Request" not in said


@pytest.mark.usefixtures("own_log")
def test_progress_and_faults_of_a_command_are_lines_of_the_log_too(capsys: pytest.CaptureFixture[str]) -> None:
    say("plain")
    start_log("info", "json")
    say("Loading a thing.")
    with pytest.raises(typer.Exit), told_plainly():
        raise CommandError("There is no such thing; get one.")
    plain, *lines = capsys.readouterr().err.splitlines()
    assert plain == "plain"
    told = [(json.loads(line)["level"], json.loads(line)["message"]) for line in lines]
    assert told == [("info", "Loading a thing."), ("error", "workbench: There is no such thing; get one.")]


@pytest.mark.parametrize("transcripts", [False, True])
def test_words_are_logged_at_debug_level_and_only_when_they_are_wanted(transcripts: bool, caplog: pytest.LogCaptureFixture) -> None:
    watcher = TalkLog(transcripts=transcripts)
    stamps = {"at_samples": 24_000, "noticed_samples": 24_000}
    with caplog.at_level(logging.DEBUG):
        watcher.on_event(UserText(**stamps, utterance_id="u", text=SAID, final=True, start_samples=0, source="asr"))
        watcher.on_event(Notice(**stamps, level="error", code="asr_failed", message=SAID))
        watcher.on_event(SessionClosed(**stamps, reason="hung_up", detail=SAID))
    with_words = [record for record in caplog.records if SAID in record.getMessage()]
    assert {record.levelname for record in with_words} == ({"DEBUG"} if transcripts else set())
    plain = [record.getMessage() for record in caplog.records if record not in with_words]
    assert plain == ["Notice: asr_failed", "SessionClosed: hung_up after 1.0 s"]
