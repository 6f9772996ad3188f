"""The lines of Neo4j that Kindred runs on: every version number of the server stands here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graph.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Line:
    """One line of releases; ``java`` is the oldest JDK it starts on."""

    name: str
    version: str
    java: int
    main_class: str


LINES: Mapping[str, Line] = {
    "5": Line("5", "5.26.30", java=17, main_class="org.neo4j.server.CommunityEntryPoint"),
    "2026": Line("2026", "2026.08.1", java=21, main_class="org.neo4j.server.Neo4jCommunity"),
}
"""The long-term support line first: it is the default. Later in the order is newer."""

BROWSER_VERSION = "5.24.0"
"""Neo4j Browser, the newest on Maven Central; it serves both lines."""

DEFAULT_LINE = "5"


def line_named(name: str) -> Line:
    """The line; :class:`SettingsError` when there is none of that name."""
    if name not in LINES:
        raise SettingsError(
            "no such line of Neo4j",
            expected="one of " + ", ".join(LINES),
            got=name,
            remedy="Set NEO4J_LINE or --line.",
        )
    return LINES[name]
