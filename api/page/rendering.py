"""Templates and static files: everything is escaped, and a file's address changes with its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FunctionLoader, StrictUndefined

STATIC = "/page/static/"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Of every page: no script or style but our own files, nothing from elsewhere, no form that leads elsewhere."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent."""

    content: bytes
    media_type: str


def render(template: str, **context: Any) -> str:
    """The template with the context; what it writes is escaped, whatever it is."""
    return _environment().get_template(template).render(context)


def static_file(version: str, name: str) -> StaticFile | None:
    """The file of that name, if the version is of today."""
    return _static().get(name) if version == static_version() else None


def static_version() -> str:
    """A short hash over all static files."""
    names = sorted(_static())
    return hashlib.sha256(b"\0".join(name.encode() + _static()[name].content for name in names)).hexdigest()[:12]


def page_address(**picked: str | None) -> str:
    """The page's own address for what is picked."""
    return "/?" + urlencode({name: value for name, value in picked.items() if value is not None})


@cache
def _static() -> dict[str, StaticFile]:
    found = {}
    for entry in files("api.page").joinpath("static").iterdir():
        media_type = _TYPES.get(entry.name.rpartition(".")[2])
        if media_type is not None:
            found[entry.name] = StaticFile(entry.read_bytes(), f"{media_type}; charset=utf-8")
    return found


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: files("api.page").joinpath("templates", name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda document: msgspec.json.encode(document).decode()
    environment.globals["address"] = page_address
    environment.globals["static"] = STATIC + static_version() + "/"
    return environment
