"""What a local gateway's child looks like from outside, without a model: the inherited socket, the token, the pipe.

    python stub_gateway.py HOW [FOLDER] --inherited-socket FD

`HOW`: `serve`, `serve-then-fail` (its second `/health` says that the model is lost), `deaf` (it does not go when its input ends),
`crash` (exit code 3 at once), `refuse` (says what is wrong, exit code 2), `bar` (draws a progress bar for ever).
`FOLDER`: gets one file for every start.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

HEALTH = {"model": "stub", "revision": "r", "device": "cpu", "slots": 3, "in_use": 0, "waiting": 0}


def main() -> None:
    how, folder, _flag, number = sys.argv[1:]
    tempfile.mkstemp(prefix="start-", dir=folder)
    tell("Opening the stub.")
    if how == "crash":
        tell("Traceback: out of cheese")
        sys.exit(3)
    if how == "refuse":
        tell("workbench: the licence is not accepted")
        sys.exit(2)
    if how == "bar":
        while True:
            sys.stdout.write(f"fetching {time.monotonic():.2f}\r")
            sys.stdout.flush()
            time.sleep(0.005)
    if how != "deaf":
        threading.Thread(target=end_with_input, daemon=True).start()
    asked = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            if self.path == "/voices":
                given = self.headers.get("Authorization") == f"Bearer {os.environ['PERSONAPLEX_TOKEN']}"
                self.answer(200 if given else 401, {"voices": [{"name": "STUB.wav"}]})
                return
            asked += 1
            lost = how == "serve-then-fail" and asked > 1
            self.answer(503 if lost else 200, {**HEALTH, "status": "failed" if lost else "ready", "reason": "NaN" if lost else ""})

        def answer(self, status: int, body: dict[str, object]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the lines are the test's."""

    server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(number))
    server.server_activate()
    server.serve_forever()


def tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def end_with_input() -> None:
    while os.read(0, 1_024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
