"""A chat endpoint on a free local port that streams whatever a function makes of the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = '{"adherence": 4, "naturalness": 3, "reason": "She told the price."}'


class JudgeStub:
    """What was asked of it, and where it listens."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.url = ""


@contextmanager
def judge_stub(answer: Callable[[dict[str, Any]], str | None] = lambda _body: GOOD) -> Iterator[JudgeStub]:
    """`answer` gives the text of an answer, in two pieces; None is an HTTP error."""
    stub = JudgeStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stub.bodies.append(body)
            text = answer(body)
            if text is None:
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for part, finish in ((text[:9], None), (text[9:], "stop")):
                event = {"choices": [{"delta": {"content": part}, "finish_reason": finish}]}
                self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

        def log_message(self, *_arguments: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
