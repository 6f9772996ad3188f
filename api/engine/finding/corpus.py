"""What is looked at when items are searched: title, id, text, and the names of brands and other attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api.engine.finding.index import counted
from api.engine.finding.words import folded, words_of
from api.engine.naming import name_of
from graph.schema import EdgeRole, EdgeSpec, EdgeType, GraphSchema
from graph.view import GraphView
from ingest.text.templates import NodeText

_TITLE, _ATTRIBUTE, _TEXT, _ID = 2.0, 1.0, 0.5, 1.0
"""What a word counts in each field."""
_MAX_NAMES = 64
"""Attribute names of one item that are read: a film has some actors, an odd item ten thousand tags."""
_NAMING = frozenset({EdgeRole.ATTRIBUTE, EdgeRole.KNOWLEDGE})


def naming_edges(schema: GraphSchema) -> tuple[EdgeSpec, ...]:
    """Edges from an item to what it may be searched by."""
    item = schema.item_type
    return tuple(spec for spec in schema.edges if spec.role in _NAMING and spec.source == item and spec.target != item)


def renamed(view: GraphView, since: GraphView | None) -> set[int]:
    """Rows of items a brand or another attribute of which has another name than in ``since``, or in the snapshot."""
    before = since or GraphView(view.snapshot)
    found: set[int] = set()
    for node_type in {spec.target for spec in naming_edges(view.schema)}:
        changed = view.reworded(node_type, since=since)
        rows = [row for row in changed if _name(view, node_type, row) != _name(before, node_type, row)]
        for spec in naming_edges(view.schema):
            if spec.target == node_type:
                found.update(item for row in rows for item in view.ends(spec.edge_type, row, "in").tolist())
    return found


def _name(view: GraphView, node_type: str, row: int) -> str | None:
    there = row < view.num_nodes(node_type) and view.exists(node_type, row)
    return name_of(view, node_type, row) if there else None


class ItemWords:
    """The words of single items of a view, by field."""

    def __init__(self, view: GraphView) -> None:
        self._view = view
        self._item = view.schema.item_type
        self._edges = naming_edges(view.schema)
        self._text = NodeText(view, self._item)
        self._title_only = view.schema.node(self._item).text is None
        self._names: dict[tuple[str, int], list[str]] = {}

    def text(self, index: int) -> str:
        """What the text encoder reads of an item, in its form."""
        return " ".join(self._text(index).split())

    def document(self, index: int) -> dict[str, float]:
        """How much each word counts in an item; nothing for one that is not there."""
        view, item = self._view, self._item
        if not view.exists(item, index):
            return {}
        title = words_of(view.title(item, index))
        text = [] if self._title_only else words_of(self._text(index))
        names = [word for name in self._attributes(index) for word in name]
        return counted((title, _TITLE), (names, _ATTRIBUTE), (text, _TEXT), ([folded(view.id_of(item, index))], _ID))

    def _attributes(self, index: int) -> Iterator[list[str]]:
        left = _MAX_NAMES
        for spec in self._edges:
            for target in self._view.ends(spec.edge_type, index)[:left].tolist():
                left -= 1
                yield self._name(spec.target, target)

    def _name(self, node_type: str, index: int) -> list[str]:
        key = (node_type, index)
        if key not in self._names:
            name = _name(self._view, node_type, index)
            self._names[key] = [] if name is None else words_of(name)
        return self._names[key]


@dataclass(frozen=True, slots=True)
class Entry:
    """A node that may be suggested while somebody types."""

    node_type: str
    index: int


def attribute_types(schema: GraphSchema) -> dict[str, list[EdgeType]]:
    """Node types whose nodes an item has as attributes, with the edges that say so."""
    found: dict[str, list[EdgeType]] = {}
    for spec in naming_edges(schema):
        if spec.role is EdgeRole.ATTRIBUTE:
            found.setdefault(spec.target, []).append(spec.edge_type)
    return found
