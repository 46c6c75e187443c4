from __future__ import annotations

from typing import Any

import pytest

from workbench.bridge.providers.mcp import McpServer
from workbench.bridge.tool import ToolError


def test_a_command_or_a_url() -> None:
    assert McpServer(name="files", command="files-server", args=("--root", "x")).url == ""
    assert McpServer(name="home", url="http://127.0.0.1:8123/mcp", headers={"Authorization": "HOME_AUTH"}).command == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either a command"),
        ({"command": "a", "url": "http://b/mcp"}, "either a command"),
        ({"name": "two words", "command": "a"}, "name 'two words' must be"),
        ({"command": "a", "timeout_s": 0}, "timeout_s is 0"),
        ({"command": "a", "headers": {"X": "Y"}}, "headers belong to a url"),
        ({"url": "ftp://b/mcp"}, "must begin with http"),
        ({"url": "http://[::1/mcp"}, "must begin with http"),
        ({"url": "http://b/mcp", "env": ("TOKEN",)}, "belong to a command"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        McpServer(**{"name": "files", **fields})


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ToolError, match="user name or password") as refused:
        McpServer(name="home", url="http://me:geheim@127.0.0.1/mcp")
    assert "geheim" not in str(refused.value)
