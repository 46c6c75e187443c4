"""What the Talk page asks of the server, and no more: the part that is open where only talking is public."""

from __future__ import annotations

import re

READING = ("GET", "HEAD")
_PAGE = re.compile(r"/|/config|/theme\.css|/manifest\.json|/favicon\.ico|/robots\.txt")
_ASSETS = re.compile(r"/(?:assets|static|svelte|talk)/[\w./@-]+")
"""Gradio's scripts and styles, and ours."""
_GRADIO_READ = re.compile(r"/gradio_api/(?:heartbeat/\w+|queue/data|startup-events|custom_component/[\w./@-]+|info|app_id)")
_GRADIO_WRITE = re.compile(r"/gradio_api/(?:queue/join|run/predict|component_server/?|reset/?|cancel/?)")
"""The page's own events and the signalling of its calls. Not uploads, and no other page's Gradio: those lie below their own addresses."""
_SOCKET = re.compile(r"/api/page/[A-Za-z0-9_-]{1,64}")
"""A page is told only of the talks of its own visitor, whose id it made by chance."""


def talk_page(method: str, path: str) -> bool:
    """Whether the Talk page needs this request. `method` is `WEBSOCKET` for those."""
    if "/../" in path or path.endswith("/.."):
        return False
    if method == "WEBSOCKET":
        return _SOCKET.fullmatch(path) is not None
    if method in READING:
        return any(pattern.fullmatch(path) for pattern in (_PAGE, _ASSETS, _GRADIO_READ))
    return method == "POST" and _GRADIO_WRITE.fullmatch(path) is not None
