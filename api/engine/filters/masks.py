"""Filters as masks over items: compiled once for each state of what they read, true for the graph as it is now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from api.engine.filters.names import ItemProperty, Joined, meaning_of, parents_of
from api.engine.filters.parsing import parse
from api.engine.filters.syntax import All, Among, Compare, Exists, Expression, Name, Not, Some, Under, Value
from api.engine.filters.tokens import FilterError
from api.engine.filters.values import Mask, Test, among, comparing, present, text_among
from gnn.data.histories import IntArray
from graph.schema import EdgeType, GraphSchema, PropertyKind
from graph.snapshot.nodes import ARROW_TYPES
from graph.sorting import distinct
from graph.view import GraphView, Side

CACHE_BYTES = 64 << 20
_MIN_KEPT, _MAX_KEPT = 8, 512


def mask_of(view: GraphView, expression: Expression) -> Mask:
    """Which items fit. Shape (I,); what a deleted item says does not matter.

    Logic is two-valued: a comparison with a value that is not there is false, and its ``not`` is true.

    Raises:
        FilterError: when the filter names what the graph does not have, or compares what does not compare.
    """
    if isinstance(expression, All):
        return np.asarray(np.logical_and.reduce([mask_of(view, part) for part in expression.parts]))
    if isinstance(expression, Some):
        return np.asarray(np.logical_or.reduce([mask_of(view, part) for part in expression.parts]))
    if isinstance(expression, Not):
        return ~mask_of(view, expression.inner)
    if isinstance(expression, Compare) and expression.comparison == "!=":
        return ~_leaf(view, Compare(expression.name, "=", expression.value))
    return _leaf(view, expression)


def checked(schema: GraphSchema, expression: Expression) -> frozenset[str | EdgeType]:
    """The node and edge types a filter reads; :class:`FilterError` as :func:`mask_of` would."""
    reads: set[str | EdgeType] = {schema.item_type}
    for leaf in leaves(expression):
        meaning = meaning_of(schema, leaf.name)
        if isinstance(meaning, Joined):
            _texts(leaf)
            for end in meaning.ends:
                reads |= {end.spec.edge_type, end.node_type}
                if isinstance(leaf, Under):
                    reads |= {spec.edge_type for spec in parents_of(schema, end.node_type)}
        elif isinstance(leaf, Under):
            raise _no_hierarchy(leaf.name)
        elif isinstance(meaning, ItemProperty):
            _test(meaning, leaf)
        else:
            _texts(leaf)
    return frozenset(reads)


def leaves(expression: Expression) -> Iterator[Compare | Among | Under | Exists]:
    """What a filter says of single names, in order."""
    if isinstance(expression, (All, Some)):
        for part in expression.parts:
            yield from leaves(part)
    elif isinstance(expression, Not):
        yield from leaves(expression.inner)
    else:
        yield expression


def _leaf(view: GraphView, leaf: Compare | Among | Under | Exists) -> Mask:
    item_type = view.schema.item_type
    meaning = meaning_of(view.schema, leaf.name)
    if isinstance(meaning, Joined):
        return _joined(view, meaning, leaf)
    if isinstance(leaf, Under):
        raise _no_hierarchy(leaf.name)
    if isinstance(meaning, ItemProperty):
        return _property_mask(view, item_type, meaning.name, _test(meaning, leaf))
    if isinstance(leaf, Exists):
        return np.ones(view.num_nodes(item_type), bool)
    rows = [view.index_of(item_type, text) for text in _texts(leaf)]
    return _at([row for row in rows if row is not None], view.num_nodes(item_type))


def _test(meaning: ItemProperty, leaf: Compare | Among | Exists) -> Test:
    if isinstance(leaf, Exists):
        return present
    if isinstance(leaf, Among):
        return among(meaning, leaf.values)
    return comparing(meaning, leaf.comparison, leaf.value)


def _property_mask(view: GraphView, node_type: str, name: str, test: Test) -> Mask:
    """The test of one property over every row as it is now: the snapshot's column, then the rows that changed."""
    base = view.snapshot.nodes(node_type)
    mask = np.zeros(view.num_nodes(node_type), bool)
    mask[: len(base)] = test(base.column(name))
    changed = view.changed_nodes(node_type)
    if changed.size:
        kind = view.schema.node(node_type).properties[name]
        values = [view.properties(node_type, row).get(name) for row in changed.tolist()]
        mask[changed] = test(pa.array(values, ARROW_TYPES[kind]))
    return mask


def _joined(view: GraphView, meaning: Joined, leaf: Compare | Among | Under | Exists) -> Mask:
    num_items = view.num_nodes(view.schema.item_type)
    mask = np.zeros(num_items, bool)
    if isinstance(leaf, Exists):
        for end in meaning.ends:
            matrix = view.matrix(end.spec.edge_type)
            joined = np.flatnonzero(np.diff(matrix.indptr)) if end.direction == "out" else matrix.indices
            mask[joined] = True
        return mask
    texts = _texts(leaf)
    wanted = {node_type: _named(view, node_type, texts) for node_type in meaning.node_types}
    if isinstance(leaf, Under):
        wanted = {node_type: _with_below(view, node_type, rows) for node_type, rows in wanted.items()}
    for end in meaning.ends:
        side: Side = "in" if end.direction == "out" else "out"
        mask[view.expand(end.spec.edge_type, wanted[end.node_type], side).indices] = True
    return mask


def _named(view: GraphView, node_type: str, texts: list[str]) -> IntArray:
    """The nodes of these ids; for a text that is no id, those whose id or title it is without regard to case."""
    exact = {text: view.index_of(node_type, text) for text in texts}
    rows = [row for row in exact.values() if row is not None]
    loose = [text for text, row in exact.items() if row is None]
    if loose:
        test = text_among(loose)
        base = view.snapshot.nodes(node_type)
        found = np.zeros(view.num_nodes(node_type), bool)
        found[: len(base)] = test(base.vocabulary.ids)
        late = list(range(len(base), found.size))
        found[late] = test(pa.array([view.id_of(node_type, row) for row in late], pa.string()))
        spec = view.schema.node(node_type)
        if spec.title is not None and spec.properties[spec.title] is PropertyKind.STRING:
            found |= _property_mask(view, node_type, spec.title, test)
        rows += np.flatnonzero(found).tolist()
    return np.asarray(rows, np.int32)


def _with_below(view: GraphView, node_type: str, rows: IntArray) -> IntArray:
    """These nodes and all below them in every hierarchy of their type."""
    specs = parents_of(view.schema, node_type)
    reached = _at(rows.tolist(), view.num_nodes(node_type))
    while rows.size:
        below = [view.expand(spec.edge_type, rows, "in").indices for spec in specs]
        fresh = distinct(np.concatenate([np.empty(0, np.int32), *below]))
        rows = fresh[~reached[fresh]].astype(np.int32)
        reached[rows] = True
    return np.flatnonzero(reached).astype(np.int32)


def _texts(leaf: Compare | Among | Under | Exists) -> list[str]:
    """The values of a leaf whose name stands for nodes: ids or titles, compared for equality only."""
    if isinstance(leaf, Exists):
        return []
    if isinstance(leaf, Compare) and leaf.comparison not in ("=", "!="):
        raise FilterError(
            f"{leaf.name.text} has no order", column=leaf.value.column, expected="= or != or in", got=leaf.comparison
        )
    values: tuple[Value, ...] = (leaf.value,) if isinstance(leaf, Compare) else leaf.values
    for value in values:
        if not isinstance(value.scalar, str):
            raise FilterError(
                f"{leaf.name.text} does not compare with this",
                column=value.column,
                expected="an id or a title in quotes",
                got=repr(value.scalar),
            )
    return [str(value.scalar) for value in values]


def _no_hierarchy(name: Name) -> FilterError:
    return FilterError(
        "only attributes can be under something", column=name.column, expected="a relation", got=name.text
    )


def _at(rows: list[int], size: int) -> Mask:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask


@dataclass(frozen=True, slots=True)
class _Kept:
    states: tuple[object, ...]
    mask: Mask


class FilterMasks:
    """Masks by the text of their filter, each kept until something it reads changes. Safe from several threads."""

    def __init__(self, schema: GraphSchema) -> None:
        self._schema = schema
        self._lock = threading.Lock()
        self._read: OrderedDict[str, tuple[Expression, tuple[str | EdgeType, ...]]] = OrderedDict()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def check(self, text: str) -> None:
        """Nothing, when the filter can be used with this graph.

        Raises:
            FilterError: with the column and what was expected there.
        """
        self._parsed(text)

    def __call__(self, view: GraphView, text: str) -> Mask:
        """Which items fit the filter now. Shape (I,); read-only, shared.

        Raises:
            FilterError: with the column and what was expected there.
        """
        expression, reads = self._parsed(text)
        states = tuple(view.state_of(name) for name in reads)
        with self._lock:
            kept = self._kept.get(text)
            if kept is not None and all(now is then for now, then in zip(states, kept.states, strict=True)):
                self._kept.move_to_end(text)
                return kept.mask
        mask = mask_of(view, expression)
        mask.flags.writeable = False
        with self._lock:
            self._kept[text] = _Kept(states, mask)
            self._kept.move_to_end(text)
            while len(self._kept) > int(np.clip(CACHE_BYTES // max(mask.size, 1), _MIN_KEPT, _MAX_KEPT)):
                self._kept.popitem(last=False)
        return mask

    def _parsed(self, text: str) -> tuple[Expression, tuple[str | EdgeType, ...]]:
        with self._lock:
            known = self._read.get(text)
        if known is None:
            expression = parse(text)
            known = (expression, tuple(sorted(checked(self._schema, expression), key=str)))
            with self._lock:
                self._read[text] = known
                while len(self._read) > _MAX_KEPT:
                    self._read.popitem(last=False)
        return known
