"""One request as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """The route as the API's description names it, what goes in, and the type that comes out."""

    reply: type[T]
    method: str
    route: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether sending it twice is the same as once; not so where it names the version it replaces."""

    @property
    def target(self) -> str:
        """The path with its ids, percent-encoded."""
        return self.route.format_map({name: quote(value, safe="") for name, value in self.path.items()})

    @property
    def sent_query(self) -> dict[str, str]:
        """The parameters that were given, as text."""
        return {name: _text(value) for name, value in self.query.items() if value is not None}


def given(**values: Any) -> dict[str, Any]:
    """The values that are not ``None``."""
    return {name: value for name, value in values.items() if value is not None}


def by_comma(names: Sequence[str]) -> str | None:
    """A list as a parameter; ``None`` for an empty one."""
    return ",".join(names) or None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
