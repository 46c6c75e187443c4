"""The page of the API's operations, made from its own OpenAPI document. It loads nothing, from here or from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
code { background: #f2f2f2; padding: 0 .25em } section { border-top: 1px solid #ccc; margin-top: 1.5rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } code { background: #2a2a2a } a { color: #8bf } }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    app: FastAPI = request.app
    page = render(app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})


def render(document: Mapping[str, Any]) -> str:
    """An OpenAPI document as an HTML page."""
    operations = "".join(
        _operation(method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document.get("components", {}).get("schemas", {}).items())
    title = escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        f"<p>For programs: <a href=/openapi.json>openapi.json</a></p>{operations}<h2>Schemas</h2>{schemas}</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        _row(parameter["name"], _type(parameter.get("schema", {})), parameter.get("description", ""))
        for parameter in operation.get("parameters", [])
    )
    bodies = [_type(content.get("schema", {})) for content in operation.get("requestBody", {}).get("content", {}).values()]
    answers = "".join(
        _row(
            status,
            ", ".join(_type(content.get("schema", {})) or kind for kind, content in told.get("content", {}).items()),
            told["description"],
        )
        for status, told in operation.get("responses", {}).items()
    )
    return (
        f"<section><h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(operation.get('description', ''))}</p>"
        + (f"<h4>Parameters</h4><table>{parameters}</table>" if parameters else "")
        + (f"<p>Body: {', '.join(bodies)}</p>" if bodies else "")
        + f"<h4>Answers</h4><table>{answers}</table></section>"
    )


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(_row(field, _type(told), told.get("description", "")) for field, told in schema.get("properties", {}).items())
    return (
        f"<section><h3 id={escape(name)}>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p><table>{rows}</table></section>"
    )


def _row(name: str, kind: str, description: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{escape(description)}</td></tr>"


def _type(schema: Mapping[str, Any]) -> str:
    """What a schema takes, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f"<a href=#{name}>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "")))
