"""Text templates: an item's properties and its neighbours' names, as one text."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from graph.errors import SchemaError
from graph.records import Properties, Value
from graph.schema import EdgeType, GraphSchema

_SEPARATORS = " \t\n.,;:|/-–—·"


class _Neighbors(Protocol):
    @property
    def indices(self) -> npt.NDArray[np.integer]: ...


class TextGraph(Protocol):
    """The part of a :class:`graph.view.GraphView` that templates read."""

    @property
    def schema(self) -> GraphSchema: ...
    def num_nodes(self, node_type: str) -> int: ...
    def exists(self, node_type: str, index: int) -> bool: ...
    def id_of(self, node_type: str, index: int) -> str: ...
    def properties(self, node_type: str, index: int) -> Properties: ...
    def neighbors(self, edge_type: EdgeType, index: int, direction: Literal["out", "in"] = ...) -> _Neighbors: ...


def item_texts(view: TextGraph) -> list[str]:
    """The text of every item by index; ``""`` where there is nothing to say."""
    return node_texts(view, view.schema.item_type)


def node_texts(view: TextGraph, node_type: str) -> list[str]:
    """The text of every node of ``node_type`` by index, see :class:`NodeText`."""
    text_of = NodeText(view, node_type)
    return [text_of(index) for index in range(view.num_nodes(node_type))]


class NodeText:
    """The text of single nodes of ``node_type``, rendered from :attr:`NodeSpec.text`.

    A placeholder is a property (``{title}``) or a relation (``{HAS_BRAND}``: the names of the nodes it leads
    to). An empty one takes the words before it along, so ``"{title}. {brand}. {year}"`` without a brand reads
    ``"Lamp. 1999"``. Without a template the text is the title. Ids never count as text, except those
    of node types that have no title property: there the id is the name.

    Raises:
        SchemaError: the template names neither a property of the node type nor a relation that leaves it.
    """

    def __init__(self, view: TextGraph, node_type: str) -> None:
        spec = view.schema.node(node_type)
        template = spec.text if spec.text is not None else (f"{{{spec.title}}}" if spec.title else "")
        self._view, self._node_type = view, node_type
        try:
            self._parts = [(literal, name) for literal, name, _, _ in string.Formatter().parse(template)]
        except ValueError as error:
            raise SchemaError(f"the text template of {node_type} cannot be read", got=template) from error
        self._fields: dict[str, Callable[[int, Properties], str]] = {
            name: _field(view, node_type, name, template) for _, name in self._parts if name is not None
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The properties and relations that the template reads."""
        return tuple(self._fields)

    def __call__(self, index: int) -> str:
        """The text of one node; ``""`` where there is nothing to say."""
        if not self._view.exists(self._node_type, index):
            return ""
        properties = self._view.properties(self._node_type, index)
        text = ""
        for literal, name in self._parts:
            words = "" if name is None else self._fields[name](index, properties)
            if words or (name is None and text):
                text += literal + words
        return text.lstrip(_SEPARATORS).rstrip()


def _field(view: TextGraph, node_type: str, name: str, template: str) -> Callable[[int, Properties], str]:
    if name in view.schema.node(node_type).properties:
        return lambda _, properties: _words(properties.get(name))
    edge_types = [spec.edge_type for spec in view.schema.edges if spec.relation == name and spec.source == node_type]
    if not edge_types:
        relations = sorted({spec.relation for spec in view.schema.edges if spec.source == node_type})
        raise SchemaError(
            f"the text template of {node_type} names something {node_type} does not have",
            expected="one of " + ", ".join([*view.schema.node(node_type).properties, *relations]),
            got=f"{{{name}}} in {template!r}",
        )
    names_of = {edge_type: _Names(view, edge_type[2]) for edge_type in edge_types}

    def names(index: int, _: Properties) -> str:
        found = {
            names_of[edge_type][int(neighbor)]
            for edge_type in edge_types
            for neighbor in view.neighbors(edge_type, index, "out").indices
        }
        return ", ".join(sorted(found - {""}))

    return names


class _Names(dict[int, str]):
    """The display name by node index, looked up once: a brand is asked for by each of its items."""

    def __init__(self, view: TextGraph, node_type: str) -> None:
        super().__init__()
        self._view, self._node_type = view, node_type
        self._title = view.schema.node(node_type).title

    def __missing__(self, index: int) -> str:
        if self._title is None:
            name = self._view.id_of(self._node_type, index)
        else:
            name = _words(self._view.properties(self._node_type, index).get(self._title))
        self[index] = name
        return name


def _words(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).strip()
