"""One contract over every way to reach an MCP server; the servers are real, and so are the processes they run in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mcp_servers import SECRET, TRANSPORTS, HttpServer, Linked
from waiting import until

from workbench.bridge.provider import ProviderUnavailable
from workbench.bridge.tool import ToolError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Linked]:
    """One session, as long-lived as a workbench's own."""
    log = tmp_path_factory.mktemp("mcp") / "tools.log"
    http = HttpServer(log) if request.param.startswith("http") else None
    if http is not None:
        await http.start()
    made = Linked(request.param, log, http)
    await made.open()
    yield made
    await made.provider.close()
    if http is not None:
        http.kill()


class TestContract:
    async def test_lists_tools_with_their_schemas_and_the_strictest_tier_that_is_not_ruled_out(self, linked: Linked) -> None:
        tiers = {name: tool.tier for name, tool in linked.tools.items()}
        assert (tiers["lookup_slots"], tiers["keep"], tiers["wipe"]) == ("read", "write", "destructive")
        slots = linked.tools["lookup_slots"]
        assert slots.description == "Look up the free slots of a day"
        assert slots.timeout_s == 5.0
        assert slots.parameters["properties"]["limit"]["maximum"] == 3
        slots.check({"day": "Mon", "limit": 2, "unit": None})
        with pytest.raises(ToolError, match=r"arguments\.limit: 4 is greater"):
            slots.check({"day": "Mon", "limit": 4})

    async def test_structured_answer_is_data_and_words(self, linked: Linked) -> None:
        answer = await linked.call("lookup_slots", day="Mon", limit=2)
        assert answer.data["structured"] == {"day": "Mon", "free": ["09:00", "10:30"]}
        assert answer.spoken == "day: Mon; free: 09:00, 10:30."

    async def test_text_answer_is_said_as_it_is_and_the_key_reaches_the_server(self, linked: Linked) -> None:
        answer = await linked.call("keep", key="invocation-7", text="milk")
        assert answer.spoken == "Kept."
        assert linked.written("kept milk under invocation-7") == 1

    async def test_progress_is_told(self, linked: Linked) -> None:
        linked.progress.clear()
        assert (await linked.call("slow", seconds=0.2)).spoken == "I waited."
        await until(lambda: len(linked.progress) >= 4)
        assert linked.progress[1] == (0.25, "step 1")

    async def test_tool_error(self, linked: Linked) -> None:
        with pytest.raises(ToolError, match="no notes in drawer seven") as refused:
            await linked.call("refuse")
        assert not isinstance(refused.value, ProviderUnavailable), "the server answered: asking again would not help"
        with pytest.raises(ToolError, match="boom"):
            await linked.call("boom")

    async def test_bad_arguments(self, linked: Linked) -> None:
        with pytest.raises(ToolError, match="day"):
            await linked.call("lookup_slots", day=3)

    async def test_secrets_are_taken_out_of_errors(self, linked: Linked) -> None:
        with pytest.raises(ToolError, match="upstream said 401") as failed:
            await linked.call("leak")
        assert not [secret for secret in (SECRET, "geheim", "abcdefgh12345678") if secret in str(failed.value)]

    async def test_picture_is_a_line_on_the_card_and_never_spoken(self, linked: Linked) -> None:
        answer = await linked.call("picture")
        assert answer.data == {"attachments": ["image (image/png, 2 kB)"]}
        assert answer.spoken == "The result is on the screen."

    async def test_much_text_is_bounded(self, linked: Linked) -> None:
        assert len((await linked.call("much")).data["text"]) == 100_000

    async def test_a_timeout_reaches_the_server(self, linked: Linked) -> None:
        before, seen = linked.written("slow began"), linked.written("slow saw CancelledError")

        async def limited() -> None:
            async with asyncio.timeout(None) as limit:
                began = asyncio.create_task(until(lambda: linked.written("slow began") > before))
                began.add_done_callback(lambda _task: limit.reschedule(asyncio.get_running_loop().time()))
                await linked.call("slow", seconds=60)

        with pytest.raises(TimeoutError):
            await limited()
        await until(lambda: linked.written("slow saw CancelledError") == seen + 1)

    async def test_a_change_of_mind_reaches_the_server(self, linked: Linked) -> None:
        before, seen = linked.written("slow began"), linked.written("slow saw CancelledError")
        call = asyncio.create_task(linked.call("slow", seconds=60))
        await until(lambda: linked.written("slow began") == before + 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: linked.written("slow saw CancelledError") == seen + 1)
        assert (await linked.call("keep", text="still there")).spoken == "Kept."

    async def test_calls_run_side_by_side(self, linked: Linked) -> None:
        before = linked.written("slow began")
        calls = [asyncio.create_task(linked.call("slow", seconds=60)) for _ in range(4)]
        await until(lambda: linked.written("slow began") == before + 4)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def test_probe(self, linked: Linked) -> None:
        state = await linked.provider.probe()
        assert state.ready
        assert state.latency_ms is not None
        assert state.latency_ms > 0

    async def test_news_of_the_tools(self, linked: Linked) -> None:
        linked.news.clear()
        await linked.call("grow")
        await until(lambda: bool(linked.news))
        assert "fresh" in linked.news[-1]

    async def test_a_tool_that_is_gone(self, linked: Linked) -> None:
        gone = linked.tools["keep"]
        with pytest.raises(ToolError, match="has no tool lost any more"):
            await linked.provider.call(
                type(gone)("lost", "Be lost", provider="box"),
                {},
                context=None,
                on_progress=lambda *_: None,  # type: ignore[arg-type]
            )


@pytest.mark.parametrize("transport", ["stdio", "stdio legacy", "http", "http legacy"])
async def test_a_server_that_dies_in_mid_call_is_noticed_told_and_reached_again(
    transport: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    http = HttpServer(tmp_path / "tools.log") if transport.startswith("http") else None
    if http is not None:
        await http.start()
    linked = Linked(transport, tmp_path / "tools.log", http)
    await linked.open()
    try:
        with pytest.raises(ProviderUnavailable, match="in the middle of the call"):
            await linked.call("die")
        await until(lambda: bool(linked.lost))
        assert len(linked.lost) == 1
        if http is None:
            assert "the last words of the server, with [hidden]" in linked.lost[0]
        with pytest.raises(ProviderUnavailable, match="is not connected"):
            await linked.call("keep", text="x")
        state = await linked.provider.probe()
        assert not state.ready
        assert state.repair
        if http is not None:
            with pytest.raises(ProviderUnavailable, match="nothing answers at mcp server box"):
                await linked.open()
            await http.start()
        await linked.open()
        assert (await linked.call("keep", text="back")).spoken == "Kept."
    finally:
        await linked.provider.close()
        if http is not None:
            http.kill()
    assert SECRET not in caplog.text
    assert len(linked.lost) == 1, "closing is no loss"


async def test_a_session_that_the_server_forgot_is_opened_anew(tmp_path: Path) -> None:
    """Started again behind our back: the old session's id means nothing to the new process."""
    http = HttpServer(tmp_path / "tools.log")
    await http.start()
    linked = Linked("http legacy", tmp_path / "tools.log", http)
    await linked.open()
    try:
        http.kill()
        await http.start()
        with pytest.raises(ProviderUnavailable):
            await linked.call("keep", text="x")
        await until(lambda: bool(linked.lost))
        await linked.open()
        assert (await linked.call("keep", text="x")).spoken == "Kept."
    finally:
        await linked.provider.close()
        http.kill()
