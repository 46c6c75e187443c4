"""Every error of the API is `{"error": <what was wrong and how to mend it>, "code": <for programs>}` with a status that fits."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from workbench.conversation.port import TalkRefused
from workbench.engines.base import EngineBusy, EngineError
from workbench.engines.speech.base import SpeechError
from workbench.personas import PersonaError
from workbench.store.base import StoreError

log = logging.getLogger(__name__)

REFUSALS = {
    "unknown_persona": 404,
    "unknown_engine": 400,
    "unknown_voice": 400,
    "bad_request": 400,
    "busy": 503,
    "engine_unavailable": 503,
    "asr_unavailable": 503,
    "stopping": 503,
    "rate_limited": 429,
    "quota": 429,
}
"""Status by the code of a `TalkRefused`."""


class ErrorAnswer(BaseModel):
    """What went wrong."""

    error: str = Field(description="What was wrong with which value, and how to mend it.")
    code: str = Field(description="The kind of error, for programs.")


class ApiError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer with these statuses."""
    return {status: {"model": ErrorAnswer} for status in statuses}


def answer(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": message, "code": code}, status)


def install(app: FastAPI) -> None:
    """Gives every exception that a route may raise its answer."""

    async def api_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)  # noqa: S101 - registered for this class only
        return answer(error.status, error.code, str(error))

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        code = error.code if isinstance(error, TalkRefused) else "refused"
        return answer(REFUSALS.get(code, 400), code, str(error))

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        told = "; ".join(f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}" for fault in faults)
        return answer(400, "bad_request", told or "The request cannot be read.")

    async def http(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        told = answer(status, "http", str(error.detail) if isinstance(error, HTTPException) else str(error))
        told.headers.update(headers or {})
        return told

    async def failed(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(500, "failed", "The server failed to answer; its log says why.")

    def says(status: int, code: str) -> Any:
        async def handler(_request: Request, error: Exception) -> JSONResponse:
            return answer(status, code, str(error))

        return handler

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(TalkRefused, refused)
    app.add_exception_handler(PersonaError, says(404, "unknown_persona"))
    app.add_exception_handler(EngineBusy, says(503, "busy"))
    app.add_exception_handler(EngineError, says(503, "engine_unavailable"))
    app.add_exception_handler(SpeechError, says(503, "speech_unavailable"))
    app.add_exception_handler(StoreError, says(503, "store_unavailable"))
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, failed)
