"""An MCP server learns which trace a call is part of: in the message, and over HTTP in the headers too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp_servers import HttpServer, Linked
from opentelemetry.trace import format_span_id, format_trace_id, use_span

from tests.telemetry.spans_kept import KeptSpans


@pytest.fixture
def kept() -> KeptSpans:
    return KeptSpans()


@pytest.fixture
def http(tmp_path: Path) -> Iterator[HttpServer]:
    server = HttpServer(tmp_path / "tools.log")
    yield server
    server.kill()


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_an_mcp_server_is_told_the_trace(transport: str, tmp_path: Path, http: HttpServer, kept: KeptSpans) -> None:
    if transport == "http":
        await http.start()
    linked = Linked(transport, tmp_path / "tools.log", http, timeout_s=20.0)
    await linked.open()
    try:
        span = kept.tracer.start_span("ToolStarted")
        with use_span(span):
            named = json.loads((await linked.call("traced")).spoken)
    finally:
        await linked.provider.close()
    expected = format_trace_id(span.get_span_context().trace_id)
    assert expected in named["message"]
    if transport == "http":
        assert format_span_id(span.get_span_context().span_id) in named["header"]
