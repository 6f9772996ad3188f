"""Edits of the graph that are only imagined: mutations as the changes a store would report of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graph.errors import NotFound
from graph.overlay import Overlay
from graph.records import (
    Change,
    DeleteEdges,
    DeleteNodes,
    Edge,
    Mutation,
    Node,
    Properties,
    UpsertEdges,
    UpsertNodes,
)
from graph.schema import EdgeType
from graph.values import check_ids, checked_properties, id_list, timestamp_list, weight_list
from graph.view import GraphView

ACTOR = "what-if"


def edited(view: GraphView, mutations: Iterable[Mutation]) -> GraphView:
    """The graph as it would be after some mutations, seen by nobody else; ``view`` stays as it is.

    Raises:
        SchemaError: for a type or property the schema does not allow.
        InputError: for a value of the wrong kind.
        NotFound: for an edge whose end is not there, or a removal of what is not there.
    """
    changed = forked(view)
    for mutation in mutations:  # one by one: an edge may hang on a node of the mutation before
        overlay = changed.overlay
        assert overlay is not None  # a fork has one
        overlay.apply(list(_changes(changed, mutation)))
    return changed


def forked(view: GraphView) -> GraphView:
    """The graph as it is now, which later changes do not reach."""
    return view.over(Overlay(view.snapshot) if view.overlay is None else view.overlay.branch())


def _changes(view: GraphView, mutation: Mutation) -> Iterator[Change]:
    if isinstance(mutation, UpsertNodes):
        records: Iterable[Node | Edge] = _upserted_nodes(view, mutation)
    elif isinstance(mutation, UpsertEdges):
        records = _upserted_edges(view, mutation)
    elif isinstance(mutation, DeleteNodes):
        records = _deleted_nodes(view, mutation)
    else:
        records = _deleted_edges(view, mutation)
    gone = isinstance(mutation, DeleteNodes | DeleteEdges)
    for record in records:
        yield Change("delete" if gone else "upsert", record, view.watermark, ACTOR, ACTOR)


def _upserted_nodes(view: GraphView, mutation: UpsertNodes) -> Iterator[Node]:
    spec = view.schema.node(mutation.node_type)
    node_ids = id_list(mutation.node_ids, "node id")
    check_ids(set(node_ids), "node id")
    given: Sequence[Properties] = mutation.properties or [{}] * len(node_ids)
    for node_id, properties in zip(node_ids, given, strict=True):
        where = f"{mutation.node_type} {node_id}"
        checked = checked_properties(spec.properties, properties, where)
        index = view.index_of(mutation.node_type, node_id)
        known = {} if index is None or mutation.replace else view.properties(mutation.node_type, index)
        yield Node(mutation.node_type, node_id, known | checked, 1)


def _upserted_edges(view: GraphView, mutation: UpsertEdges) -> Iterator[Edge]:
    spec = view.schema.edge(mutation.edge_type)
    rows = len(mutation.source_ids)
    sources = id_list(mutation.source_ids, "source id", rows)
    targets = id_list(mutation.target_ids, "target id", rows)
    check_ids({*sources, *targets}, "node id")
    weight = weight_list(mutation.weight, rows)
    weights = weight if isinstance(weight, list) else [weight] * rows
    times = timestamp_list(mutation.timestamp_ms, rows) or [None] * rows
    qualifiers = mutation.qualifiers or [""] * rows
    properties = mutation.properties or [{}] * rows
    for at in range(rows):
        if not mutation.create_missing:
            _required(view, (mutation.edge_type[0], sources[at]))
            _required(view, (mutation.edge_type[2], targets[at]))
        where = f"{mutation.edge_type[1]} {sources[at]} → {targets[at]}"
        checked = checked_properties(spec.properties, properties[at], where)
        yield Edge(mutation.edge_type, sources[at], targets[at], qualifiers[at], weights[at], times[at], checked)


def _deleted_nodes(view: GraphView, mutation: DeleteNodes) -> Iterator[Node]:
    for node_id in mutation.node_ids:
        _required(view, (mutation.node_type, node_id))
        yield Node(mutation.node_type, node_id, {}, 1)


def _deleted_edges(view: GraphView, mutation: DeleteEdges) -> Iterator[Edge]:
    view.schema.edge(mutation.edge_type)
    asked = mutation.qualifiers
    for at, (source, target) in enumerate(zip(mutation.source_ids, mutation.target_ids, strict=True)):
        found = qualifiers_between(view, mutation.edge_type, source, target)
        chosen = found if asked is None else [qualifier for qualifier in found if qualifier == asked[at]]
        if not chosen:
            raise NotFound(
                "there is no such edge to remove", got=f"{source} -{mutation.edge_type[1]}-> {target}",
                remedy="Check its ends and its type.",
            )  # fmt: skip
        for qualifier in chosen:
            yield Edge(mutation.edge_type, source, target, qualifier)


def qualifiers_between(view: GraphView, edge_type: EdgeType, source_id: str, target_id: str) -> list[str]:
    """The qualifiers of the parallel edges of one type between two nodes; empty when there is no edge."""
    source, target = view.index_of(edge_type[0], source_id), view.index_of(edge_type[2], target_id)
    if source is None or target is None:
        return []
    row = view.edge_row(edge_type, source)
    return [view.qualifier(edge_type, int(code)) for code in row.qualifier[row.indices == target]]


def _required(view: GraphView, key: tuple[str, str]) -> int:
    view.schema.node(key[0])
    index = view.index_of(*key)
    if index is None:
        raise NotFound(f"there is no {key[0]} with this id", got=key[1], remedy="Check the id and its spelling.")
    return index
