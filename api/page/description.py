"""Every route with its parameters, from the OpenAPI description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from api.page.rendering import render


@dataclass(frozen=True, slots=True)
class DescribedRoute:
    """One route as the page shows it."""

    method: str
    path: str
    text: str
    parameters: list[tuple[str, str, str]]
    body: str | None


def docs_page(description: dict[str, Any]) -> str:
    """The page of all routes."""
    routes = [
        _described(description, path, method, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    return render("docs.html", routes=routes)


def _described(description: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> DescribedRoute:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    body = None
    if "$ref" in schema:
        shape = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        body = msgspec.json.format(msgspec.json.encode(shape), indent=2).decode()
    return DescribedRoute(
        method.upper(),
        path,
        operation.get("description") or operation.get("summary", ""),
        [
            (parameter["name"], parameter["in"], msgspec.json.encode(parameter["schema"]).decode())
            for parameter in operation.get("parameters", [])
        ],
        body,
    )
