"""n8n's webhooks as n8n (1.123) answers them: 404 until a workflow is active, 403 without its token, 422 for a broken body, and a
workflow that goes on to its end when the client has gone. The contract tests run against this and, where it is installed, a real n8n.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

Work = Callable[[Mapping[str, Any]], Awaitable[Response]]
"""What a workflow does with a body."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow behind `POST /webhook/<path>`."""

    path: str
    work: Work
    active: bool = True
    header: tuple[str, str] | None = None
    """Name and value of the header that it asks for."""


async def command(body: Mapping[str, Any]) -> Response:
    """Says what it was told."""
    return JSONResponse(
        {
            "ok": True,
            "request_id": body.get("request_id"),
            "response_text": f"Did {body.get('action')} for {body.get('actor')}.",
            "params": body.get("params"),
            "confirm": body.get("confirm"),
            "correlation_id": body.get("correlation_id"),
        }
    )


def slow(seconds: float) -> Work:
    """Answers with the body after a while."""

    async def work(body: Mapping[str, Any]) -> Response:
        await asyncio.sleep(seconds)
        return JSONResponse({"request_id": body.get("request_id")})

    return work


def answering(response: Callable[[], Response]) -> Work:
    """Always the same answer."""

    async def work(_body: Mapping[str, Any]) -> Response:
        return response()

    return work


class N8nStub:
    """`app` is n8n; `finished` has the bodies of the workflows that came to their end, by path."""

    def __init__(self, workflows: Sequence[Workflow]) -> None:
        self.workflows = {workflow.path: workflow for workflow in workflows}
        self.finished: list[tuple[str, dict[str, Any]]] = []
        self._running: set[asyncio.Task[Response]] = set()
        self.app = FastAPI(title="n8n (stub)")
        self.app.get("/healthz")(self._health)
        self.app.api_route("/webhook/{path:path}", methods=["GET", "POST", "OPTIONS"])(self._webhook)

    async def _health(self) -> dict[str, str]:
        return {"status": "ok"}

    async def _webhook(self, path: str, request: Request) -> Response:
        workflow = self.workflows.get(path)
        active = workflow is not None and workflow.active
        if request.method == "OPTIONS":
            return self._preflight(active, "origin" in request.headers)
        if workflow is None or not active or request.method != "POST":
            return self._not_registered(request.method, path, active)
        # As n8n does it: the body is parsed before anybody looks at the token.
        try:
            body = await request.json()
        except ValueError:
            return JSONResponse({"code": 422, "message": "Failed to parse request body", "hint": "Check the syntax of the body"}, 422)
        if workflow.header is not None and request.headers.get(workflow.header[0]) != workflow.header[1]:
            return PlainTextResponse("Authorization data is wrong!", 403)
        running = asyncio.ensure_future(self._run(workflow, body))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def _run(self, workflow: Workflow, body: dict[str, Any]) -> Response:
        answer = await workflow.work(body)
        self.finished.append((workflow.path, body))
        return answer

    def _preflight(self, active: bool, asked: bool) -> Response:
        if not asked:
            return Response(status_code=204)
        if active:
            return Response(status_code=204, headers={"Access-Control-Allow-Methods": "OPTIONS, POST"})
        return HTMLResponse("<title>Error</title><pre>Internal Server Error</pre>", 500, {"Access-Control-Allow-Methods": "OPTIONS"})

    def _not_registered(self, method: str, path: str, active: bool) -> Response:
        if active:
            message = f"This webhook is not registered for {method} requests. Did you mean to make a POST request?"
            return JSONResponse({"code": 404, "message": message}, 404)
        message = f'The requested webhook "{method} {path}" is not registered.'
        return JSONResponse({"code": 404, "message": message, "hint": "The workflow must be active."}, 404)
