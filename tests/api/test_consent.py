"""Where consent is asked for: of a talk that nobody agreed to, nothing is in the store and no sound on the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.api.context import Context
from workbench.app.choices import CONSENT_QUESTION, KEEP, NOTHING, read_request
from workbench.app.live import LiveHub
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.events import SessionOpened, UserText
from workbench.settings import Settings
from workbench.store import queries
from workbench.store.tables import TABLES

WORDS = "my secret garden gnome"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"ask_consent": True})


async def talk(context: Context, request: TalkRequest) -> str:
    """One written talk from its beginning to its end. Gives its session id."""
    opened = await context.entrance.open(request)
    opened.type(WORDS)
    for _ in range(4):
        await asyncio.sleep(0.1)
    await opened.hang_up("hung_up")
    assert opened.task is not None
    await opened.task
    return opened.session_id


def rows(bench: Workbench) -> dict[str, int]:
    """Rows of every table."""
    bench.store.flush()
    return {table: bench.store.query(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in TABLES}


def sounds(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".duckdb", ".wal")]


@pytest.mark.parametrize("consent", ["", None])
@pytest.mark.parametrize("transport", ["webrtc", "websocket", "page", "phone"])
async def test_without_agreement_nothing_is_written(
    context: Context, bench: Workbench, settings: Settings, consent: str | None, transport: str
) -> None:
    before = rows(bench)
    request = TalkRequest(engine="scripted", transport=transport, consent=consent, recording=True, text_prompt="You are a secret prompt.")
    session_id = await talk(context, request)
    assert rows(bench) == before
    assert queries.get_session(bench.store, session_id) is None
    assert sounds(settings.data_dir) == []
    await bench.close()
    for path in settings.data_dir.rglob("*"):
        assert path.is_dir() or WORDS.encode() not in path.read_bytes(), path


async def test_with_agreement_the_talk_is_kept_with_what_was_agreed_to(context: Context, bench: Workbench, settings: Settings) -> None:
    session_id = await talk(context, TalkRequest(engine="scripted", consent=CONSENT_QUESTION, recording=True))
    await asyncio.to_thread(bench.recorder.close)
    opened = queries.read_events(bench.store, session_id)[0]
    assert isinstance(opened, SessionOpened)
    assert (opened.consent, opened.recording) == (CONSENT_QUESTION, True)
    assert WORDS in [event.text for event in queries.read_events(bench.store, session_id) if isinstance(event, UserText)]
    assert sounds(settings.audio_dir)


async def test_talks_over_http_are_asked_nothing_and_leave_nothing(client: httpx.AsyncClient, bench: Workbench) -> None:
    before = rows(bench)
    said = await client.post("/api/mas/voice/orchestrator", json={"message": WORDS})
    assert said.status_code == 200, said.text
    assert rows(bench) == before


def test_the_page_asks_before_the_first_talk() -> None:
    def chosen(consent: Any) -> list[Any]:
        return ["myca", "", "scripted", True, consent, "visitor"]

    for unanswered in (None, "", "yes", True, 1):
        with pytest.raises(TalkRefused, match="whether your talks may be kept"):
            read_request(chosen(unanswered), ask_consent=True)
    assert read_request(chosen(KEEP), ask_consent=True).consent == CONSENT_QUESTION
    assert read_request(chosen(NOTHING), ask_consent=True).consent == ""
    assert read_request(chosen(KEEP)).consent is None, "where nobody asks, nobody answers"


async def test_a_written_talk_waits_for_the_answer_too() -> None:
    class Page:
        def __init__(self) -> None:
            self.told: list[dict[str, Any]] = []

        def tell(self, message: dict[str, Any]) -> None:
            self.told.append(message)

    async def nobody(_request: TalkRequest) -> Any:
        pytest.fail("no talk may be opened")

    hub, page = LiveHub(nobody, dict, ask_consent=True), Page()
    hub.enter("visitor", page)  # type: ignore[arg-type]  # of a page only `tell` is used
    await hub.begin("visitor", ["myca", "", "scripted", True, None], WORDS)
    assert [message["code"] for message in page.told] == ["consent"]
