"""What a name in a filter means in this graph: a property of the item, its id, or what it is joined to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from api.engine.connections import item_edges
from api.engine.filters.syntax import Name
from api.engine.filters.tokens import FilterError
from graph.schema import EdgeRole, EdgeSpec, GraphSchema, PropertyKind

ITEM_ID = "item_id"
_LEADING = re.compile(r"^(has|have|in|of|is|belongs_to|from|with)_")


@dataclass(frozen=True, slots=True)
class ItemId:
    """The item's id."""


@dataclass(frozen=True, slots=True)
class ItemProperty:
    """A property of the item."""

    name: str
    kind: PropertyKind


@dataclass(frozen=True, slots=True)
class End:
    """One edge type seen from the item: ``direction`` leaves the item, ``node_type`` is at the other end."""

    spec: EdgeSpec
    direction: Literal["out", "in"]
    node_type: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The nodes an item is joined to by any of these edge types."""

    ends: tuple[End, ...]

    @property
    def node_types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(end.node_type for end in self.ends))


Meaning: TypeAlias = ItemId | ItemProperty | Joined


def meaning_of(schema: GraphSchema, name: Name) -> Meaning:
    """What a name stands for; case does not matter.

    The first that fits: a property of the item, ``item_id``, a relation (``HAS_BRAND``), a relation without its
    first little word (``brand``), a node type (``Brand``), which stands for every relation between items and it.

    Raises:
        FilterError: when nothing of the graph is called so; the message lists what is.
    """
    asked = name.text.casefold()
    properties = schema.node(schema.item_type).properties
    if asked in properties:
        return ItemProperty(asked, properties[asked])
    if asked == ITEM_ID:
        return ItemId()
    ends = joined_ends(schema)
    for called in (_relation, stem, _node_type):
        fitting = tuple(end for end in ends if called(end) == asked)
        if fitting:
            return Joined(fitting)
    known = dict.fromkeys([*properties, ITEM_ID, *(stem(end) for end in ends)])
    raise FilterError(
        "the filter names what items do not have", column=name.column, expected="one of " + ", ".join(known),
        got=name.text,
    )  # fmt: skip


def joined_ends(schema: GraphSchema) -> tuple[End, ...]:
    """Every way from an item to something that is not a user, in schema order; item relations as they point."""
    item = schema.item_type
    return tuple(
        End(spec, "out", spec.target) if spec.source == item else End(spec, "in", spec.source)
        for spec in item_edges(schema)
    )


def parents_of(schema: GraphSchema, node_type: str) -> tuple[EdgeSpec, ...]:
    """The hierarchies of a node type: edges from a node to the one above it."""
    return tuple(
        spec for spec in schema.edges_with(EdgeRole.HIERARCHY) if spec.source == node_type and spec.target == node_type
    )


def stem(end: End) -> str:
    """A relation without its first little word: ``brand`` for HAS_BRAND, ``category`` for IN_CATEGORY."""
    return _LEADING.sub("", _relation(end))


def _relation(end: End) -> str:
    return end.spec.relation.lower()


def _node_type(end: End) -> str:
    return end.node_type.casefold()
