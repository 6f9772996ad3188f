"""Names and values as they stand in Cypher text that a curator copies."""

from __future__ import annotations

import re

from graph.schema import EdgeRole, EdgeSpec, GraphSchema, NodeSpec

KEY = "id"
"""The property that identifies a node."""
HIDDEN = "hidden"
"""The boolean item property that keeps an item out of every answer."""
PINNED = "pinned"
"""The boolean item property that the shop's promotion rule looks at."""

COMPLEMENTS = "COMPLEMENTS"
"""The relation by which people join two items."""
INTERNAL_LABELS = ("KindredMeta", "KindredBatch", "KindredTombstone", "KindredKnown", "KindredRelease")
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


def caption(spec: NodeSpec) -> str:
    """The property that names a node to people: the title, else the key."""
    return spec.title or KEY


def item_edges(schema: GraphSchema, role: EdgeRole) -> tuple[EdgeSpec, ...]:
    """Edge types of one role that begin at an item, in schema order."""
    return tuple(spec for spec in schema.edges_with(role) if spec.source == schema.item_type)
