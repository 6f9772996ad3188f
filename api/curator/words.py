"""Names and values as they stand in Cypher text that a curator copies."""

from __future__ import annotations

import re

INTERNAL_LABELS = (
    "KindredMeta",
    "KindredTurn",
    "KindredBatch",
    "KindredTombstone",
    "KindredKnown",
    "KindredRelease",
    "KindredCurrent",
)
"""Labels of bookkeeping nodes; every one begins with ``Kindred``."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_TAME = re.compile(r"[\w .,&+#()/:-]{1,80}\Z")


def name(text: str) -> str:
    """A label, relationship type or property name, in backticks where it needs them."""
    return text if _PLAIN.match(text) else "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal. Only for a :func:`tame` text: Cypher reads escapes before it reads literals."""
    assert tame(text), text
    return f'"{text}"'


def tame(text: str) -> bool:
    """Whether a value from the catalogue may stand in a query that a curator runs: letters, digits, plain signs."""
    return _TAME.match(text) is not None
