"""The FastAPI app whose OpenAPI document tells what is really answered, by the routes and by what stands before them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from workbench.api.errors import ErrorAnswer

BEFORE_ROUTES = {
    "403": "The page of another origin, or a login that may only read.",
    "429": "Too many requests from this address; Retry-After says in how many seconds the next is answered.",
}
WITH_BODY = {"413": "The body is too large."}
WITH_LOGIN = {"401": "A password is set here and none was given.", "503": "Tokens cannot be looked up just now."}
SCHEME = "bearer"


class Api(FastAPI):
    """A body that does not fit is 400, not 422. `login`: a password is asked for."""

    login = False

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for name in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(name, None)
            document["components"]["schemas"].setdefault("ErrorAnswer", ErrorAnswer.model_json_schema())
            for path, methods in document["paths"].items():
                for operation in methods.values():
                    self._complete(path, operation)
            if self.login:
                document["components"]["securitySchemes"] = {SCHEME: {"type": "http", "scheme": "bearer"}}
        return super().openapi()

    def _complete(self, path: str, operation: dict[str, Any]) -> None:
        answers = operation["responses"]
        answers.pop("422", None)
        more = dict(BEFORE_ROUTES)
        if "requestBody" in operation:
            more |= WITH_BODY
        if self.login and path != "/health":
            more |= WITH_LOGIN
            operation["security"] = [{SCHEME: []}]
        for status, told in more.items():
            schema = {"$ref": "#/components/schemas/ErrorAnswer"}
            answers.setdefault(status, {"description": told, "content": {"application/json": {"schema": schema}}})
