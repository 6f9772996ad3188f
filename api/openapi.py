"""The OpenAPI description: message types are said once, as msgspec structs, and shown here."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problems import PROBLEM_JSON
from api.http.shapes import SHAPES

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Stable; GET it to read what to do."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "field": {"type": "string"},
        "column": {"type": "integer", "description": "Where in a filter, from 1."},
        "event_ids": {"type": "array", "items": {"type": "string"}},
    },
}
_PROBLEM: dict[str, Any] = {
    "description": "Every error: an RFC 9457 problem.",
    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def reply(schema: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that answers with the named message."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {200: {"description": "OK", "content": content}, "default": _PROBLEM}


def json_body(schema: str) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads the named message."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI, messages: dict[str, Any]) -> None:
    """Makes ``app.openapi()`` include the named message types; built on first use."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas, components = msgspec.json.schema_components(
                messages.values(), ref_template="#/components/schemas/{name}"
            )
            known = document.setdefault("components", {}).setdefault("schemas", {})
            known.update(components)
            known.update(
                {name: schema for name, schema in zip(messages, schemas, strict=True) if name not in components}
            )
            known |= SHAPES | {"Problem": PROBLEM_SCHEMA}
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)  # FastAPI's own shape; ours is under default
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the extension point FastAPI documents
