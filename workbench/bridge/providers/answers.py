"""What a remote system answered, read without trusting its shape: the text to say, the whole of it as data, or its own error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.bridge.providers.http import Answer
from workbench.bridge.providers.page_text import page_text, without_markup
from workbench.bridge.tool import ToolError

TEXT_KEYS = ("response_text", "response", "text", "message", "answer", "spoken", "result")
"""Where different versions of these systems put what is to be said, the likeliest first."""
_REPLY_KEYS = ("response_text", "response", "answer", "spoken")
"""An answer with one of these is a reply, also where a part of it went wrong; the other names may hold the account of an error."""
_ERROR_KEYS = ("error", "detail")
_FAILED = frozenset({"error", "failed", "failure", "rejected"})
_UNSAID = frozenset({"ok", "success", "status", "code", "timestamp"})
_AUDIO = frozenset({"audio_base64", "audio_mime"})
"""Sound that was not asked for, and would fill the store."""
_SAID_FIELDS = 6
_SAID_ITEMS = 5


def read_data(answer: Answer, whom: str) -> dict[str, Any]:
    """An answer's JSON object. A list becomes `{"items": [...]}`, any other value or plain text `{"text": ...}`; of a web page only
    the text is kept. Raises ToolError for a body that calls itself JSON and is none."""
    if not answer.body.strip():
        return {}
    try:
        found = answer.json()
    except ValueError as error:
        if answer.content_type.endswith("json"):
            raise ToolError(f"{whom} sent broken JSON ({error}); look at its log") from None
        return {"text": _plain(answer)}
    if isinstance(found, dict):
        return {key: value for key, value in found.items() if key not in _AUDIO}
    return {"items": found} if isinstance(found, list) else {"text": str(found)}


def text_of(data: Mapping[str, Any]) -> str:
    """What an answer wants said, without markup; empty when it has no text."""
    texts = (data.get(key) for key in TEXT_KEYS)
    return next((plain for text in texts if isinstance(text, str) and (plain := without_markup(text))), "")


def error_of(data: Mapping[str, Any]) -> str:
    """The error that an answer carries although its HTTP status says that all is well; empty when it carries none."""
    for key in _ERROR_KEYS:
        if data.get(key) and not any(data.get(said) for said in _REPLY_KEYS):
            return str(data[key])[:200]
    if data.get("ok") is False or data.get("success") is False or data.get("status") in _FAILED:
        return text_of(data)[:200] or next((str(data[key])[:200] for key in _ERROR_KEYS if data.get(key)), "it does not say why")
    return ""


def told(data: Mapping[str, Any]) -> str:
    """An answer without a text, as words: its plain fields, named. Empty when there are none."""
    parts = [f"{key.replace('_', ' ')}: {said}" for key, value in data.items() if key not in _UNSAID and (said := _said(value))]
    return ", ".join(parts[:_SAID_FIELDS])


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Sequence) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value[:_SAID_ITEMS])) + (f" and {len(value) - _SAID_ITEMS} more" if len(value) > _SAID_ITEMS else "")
    return ""


def _plain(answer: Answer) -> str:
    if "html" not in answer.content_type and not answer.text.lstrip()[:15].lower().startswith(("<!doctype html", "<html")):
        return answer.text.strip()
    page = page_text(answer.text)
    return ". ".join(part.rstrip(".") for part in (page.title, page.first) if part)
