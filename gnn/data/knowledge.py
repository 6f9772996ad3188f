"""What a snapshot says, as models read it: interactions as columns, item knowledge as matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy.sparse as sp

from gnn.data import NO_TIME, Interactions, ItemKnowledge
from gnn.data.histories import FloatArray
from graph.schema import EdgeRole, EdgeSpec, EdgeType, GraphSchema
from graph.snapshot import EdgeTable, Snapshot
from graph.sorting import stable_order

_MAX_LEVELS = 16
"""Levels of a hierarchy that are followed; also the end of one that runs in a circle."""


def interactions_from(snapshot: Snapshot, *, holdout: bool = False, positive_only: bool = True) -> Interactions:
    """All interactions that models may learn from, every kind together, sorted by user and time.

    With ``holdout`` those kept for testing instead. ``positive_only=False`` adds those that speak against an item.
    """
    schema = snapshot.schema
    specs = [
        spec
        for spec in schema.edges_with(EdgeRole.INTERACTION)
        if spec.holdout == holdout and (holdout or spec.learn) and (spec.positive or not positive_only)
    ]
    kinds = kinds_of(specs)
    return _sorted(
        [(kinds.index(kind_of(spec)), snapshot.edges(spec.edge_type)) for spec in specs],
        len(snapshot.nodes(schema.user_type)),
        len(snapshot.nodes(schema.item_type)),
        kinds,
    )


def kind_of(spec: EdgeSpec) -> str:
    """What an interaction of some edge type is called among the kinds of events."""
    return spec.kind or "interaction"


def kinds_of(specs: Iterable[EdgeSpec]) -> tuple[str, ...]:
    """The kinds of some interactions, each once, in their order; a graph without interactions has one too."""
    return tuple(dict.fromkeys(kind_of(spec) for spec in specs)) or ("interaction",)


def holdout_from(snapshot: Snapshot) -> Interactions:
    """The interactions that a data set keeps for testing only; empty when it has none."""
    return interactions_from(snapshot, holdout=True)


def knowledge_from(snapshot: Snapshot, text: FloatArray | None = None, *, fold_hierarchy: bool = True) -> ItemKnowledge:
    """What the graph knows of items beside interactions; only edge types that models may learn from.

    With ``fold_hierarchy`` an item that has an attribute also has everything above it (a lipstick is make-up).
    """

    def matrix(edge_type: EdgeType) -> sp.csr_array:
        return snapshot.edges(edge_type).matrix()

    return knowledge_over(snapshot.schema, matrix, text, fold_hierarchy=fold_hierarchy)


def knowledge_over(
    schema: GraphSchema,
    matrix: Callable[[EdgeType], sp.csr_array],
    text: FloatArray | None = None,
    *,
    fold_hierarchy: bool = True,
) -> ItemKnowledge:
    """:func:`knowledge_from` over any graph that gives the incidence ``matrix`` of an edge type, e.g. a live one."""
    item = schema.item_type
    usable = [spec for spec in schema.edges if spec.learn and not spec.holdout]
    attributes: dict[EdgeType, sp.csr_array] = {}
    relations: dict[EdgeType, sp.csr_array] = {}
    for spec in usable:
        touches = spec.role in (EdgeRole.ATTRIBUTE, EdgeRole.KNOWLEDGE) and item in (spec.source, spec.target)
        if spec.source == spec.target == item:
            if touches or spec.role is EdgeRole.ITEM_RELATION:
                relations[spec.edge_type] = matrix(spec.edge_type)
        elif touches and spec.source == item:
            attributes[spec.edge_type] = matrix(spec.edge_type)
        elif touches:
            reversed_type = (item, f"rev_{spec.relation}", spec.source)
            attributes[reversed_type] = sp.csr_array(matrix(spec.edge_type).T)
    if fold_hierarchy:
        for edge_type, incidence in attributes.items():
            attributes[edge_type] = _with_ancestors(incidence, _hierarchy(matrix, usable, edge_type[2]))
    return ItemKnowledge(attributes, relations, text)


def _sorted(
    tables: list[tuple[int, EdgeTable]], num_users: int, num_items: int, kinds: tuple[str, ...]
) -> Interactions:
    users, items, times, weights, codes, baskets = [], [], [], [], [], []
    next_basket = 0
    for code, table in tables:
        degree = np.diff(table.out.indptr)
        users.append(np.repeat(np.arange(degree.size, dtype=np.int32), degree))
        items.append(np.asarray(table.out.indices, np.int32))
        missing = np.full(table.num_edges, NO_TIME, np.int64)
        times.append(missing if table.timestamp_s is None else np.asarray(table.timestamp_s, np.int64))
        weights.append(np.asarray(table.weight, np.float32))
        codes.append(np.full(table.num_edges, code, np.uint8))
        basket = np.full(table.num_edges, -1, np.int32)
        if table.qualifier is not None:
            qualifier = np.asarray(table.qualifier, np.int32)
            basket[qualifier >= 0] = qualifier[qualifier >= 0] + next_basket
            next_basket += int(qualifier.max(initial=-1)) + 1
        baskets.append(basket)
    if not tables:
        return Interactions.of([], [], num_users=num_users, num_items=num_items)
    user, time = np.concatenate(users), np.concatenate(times)
    # One edge type keeps the snapshot's order, which is exact below the second.
    order = stable_order(time, user) if len(tables) > 1 else np.arange(user.size)
    return Interactions(
        user[order],
        np.concatenate(items)[order],
        time[order],
        np.concatenate(weights)[order],
        np.concatenate(codes)[order],
        np.concatenate(baskets)[order],
        num_users,
        num_items,
        kinds,
    )


def _hierarchy(
    matrix: Callable[[EdgeType], sp.csr_array], usable: Iterable[EdgeSpec], node_type: str
) -> sp.csr_array | None:
    """All "lies under" edges among the nodes of one type, child × parent, or None."""
    levels = [
        matrix(spec.edge_type)
        for spec in usable
        if spec.role is EdgeRole.HIERARCHY and spec.source == spec.target == node_type
    ]
    if not levels:
        return None
    return sp.csr_array(sum(levels[1:], start=levels[0]))


def _with_ancestors(incidence: sp.csr_array, parents: sp.csr_array | None) -> sp.csr_array:
    if parents is None:
        return incidence
    known = incidence
    for _ in range(_MAX_LEVELS):
        grown = sp.csr_array(known + known @ parents)
        grown.data[:] = 1.0
        if grown.nnz == known.nnz:
            break
        known = grown
    known.sort_indices()
    return known
