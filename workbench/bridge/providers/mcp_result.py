"""What an MCP tool answered, as data for the card and as words to be said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from workbench.bridge.tool import ToolResult

ON_SCREEN = "The result is on the screen."
DONE = "Done."
MAX_TEXT = 100_000
"""Characters of text that are kept at all; what is shown of them is cut further by the guard."""
_MAX_FIELDS = 6
_MAX_ITEMS = 8
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-]+")


def read_result(result: CallToolResult) -> ToolResult:
    """`data` has `text` and `structured` where the tool gave them, and `attachments`: one line each for pictures, sounds and
    resources, which are never spoken and whose bytes are not kept."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    spoken = [block.text for block in result.content if isinstance(block, TextContent) and _for_user(block)]
    attachments = [line for block in result.content if (line := _attachment(block))]
    structured = result.structured_content
    data: dict[str, Any] = {}
    if texts:
        data["text"] = "\n".join(texts)[:MAX_TEXT]
    if structured is not None:
        data["structured"] = structured
    if attachments:
        data["attachments"] = attachments
    return ToolResult(_speech(" ".join(spoken)[:MAX_TEXT], structured, bool(attachments)), data)


def error_text(result: CallToolResult) -> str:
    """What a tool says of its failure."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return " ".join(" ".join(texts).split())[:500] or "the tool failed without a word"


def _speech(text: str, structured: Mapping[str, Any] | None, attached: bool) -> str:
    if structured is not None and set(structured) == {"result"} and not isinstance(structured["result"], Mapping | list):
        return in_words(structured["result"])
    if text.strip():
        # Servers give structured content as text once more, as JSON, for clients that know no better. JSON is not for ears.
        parsed = _json(text)
        return text if parsed is None else in_words(structured if structured is not None else parsed)
    if structured is not None:
        return in_words(structured)
    return ON_SCREEN if attached else DONE


def _json(text: str) -> Any:
    """The object or list that a text is; None when it is ordinary text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def in_words(value: Any) -> str:
    """Plain JSON as a sentence: a value, a list of values, or an object of those; `ON_SCREEN` for anything deeper or longer."""
    if isinstance(value, Mapping):
        fields = [(name, _phrase(inner)) for name, inner in value.items() if inner is not None]
        if not fields:
            return DONE
        if len(fields) > _MAX_FIELDS or any(said is None for _name, said in fields):
            return ON_SCREEN
        if len(fields) == 1 and fields[0][0] == "result":
            return f"{fields[0][1]}."
        return "; ".join(f"{_HUMP.sub(' ', str(name)).lower()}: {said}" for name, said in fields) + "."
    said = _phrase(value)
    return ON_SCREEN if said is None else said


def _phrase(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        said = [_phrase(item) for item in value[: _MAX_ITEMS + 1] if not isinstance(item, Mapping | list)]
        if len(said) != len(value) or len(said) > _MAX_ITEMS:
            return None
        return ", ".join(str(item) for item in said) or "none"
    return str(value)


def _for_user(block: TextContent) -> bool:
    audience = block.annotations.audience if block.annotations is not None else None
    return audience is None or "user" in audience


def _attachment(block: ContentBlock) -> str:
    """One line for the card; empty for text."""
    if isinstance(block, ImageContent | AudioContent):
        return f"{block.type} ({block.mime_type[:80]}, {_size(len(block.data) * 3 // 4)})"
    if isinstance(block, ResourceLink):
        return f"link {block.name[:80]}: {str(block.uri)[:300]}"
    if isinstance(block, EmbeddedResource):
        inner = block.resource
        size = len(inner.blob) * 3 // 4 if isinstance(inner, BlobResourceContents) else len(inner.text.encode())
        return f"resource {str(inner.uri)[:300]} ({(inner.mime_type or 'unknown type')[:80]}, {_size(size)})"
    return ""


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1_000 else f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
