"""A block of a load as parts of new rows: worked out in columns where all of it is new edges, else from a draft."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import is_not, itemgetter
from typing import Any

import numpy as np

from graph.neo4j.bulk.memory import Memory
from graph.neo4j.bulk.new_rows import Cutting, Part, Rows
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.writing.draft import Draft
from graph.neo4j.writing.edge_columns import EdgeColumns, edge_columns
from graph.neo4j.writing.flushing import edge_cells, node_cells
from graph.records import Mutation, UpsertEdges
from graph.schema import EdgeSpec, EdgeType
from graph.values import check_ids

_THERE = partial(is_not, None)


@dataclass(frozen=True, slots=True)
class CutBlock:
    """Parts to be written in order, and what is known once they are."""

    started_at: int
    """The last number before."""
    last: int
    parts: Sequence[Part]
    live: Mapping[str, Collection[str]]
    """Node type → nodes that are there then."""
    keys: Mapping[EdgeType, Collection[int]]
    """Edge type → hash of every edge that was written."""

    @property
    def changed(self) -> int:
        return self.last - self.started_at


def cut_draft(catalogue: Catalogue, draft: Draft, part_rows: int) -> CutBlock | None:
    """The draft's rows with numbers of their own; None where not all of them are new."""
    if not draft.is_all_new():
        return None
    cutting = Cutting(draft.started_at, part_rows)
    for node in catalogue.schema.nodes:
        columns, cells, _ = node_cells(node, draft.nodes[node.name])
        ids, _, *rest = _columns(cells, 3 + len(columns))
        cutting.add(Rows(node, ["_version", *columns], [ids, *rest]))
    cutting.next_kind(needs_nodes=True)
    for edge in catalogue.schema.edges:
        used, _, cells, _ = edge_cells(edge, draft.edges[edge.edge_type])
        sources, targets, _, *rest = _columns(cells, 3 + len(used))
        cutting.add(Rows(edge, used, [sources, targets, *rest]))
    parts = cutting.parts
    # A row that changed twice in the draft has taken two numbers.
    parts[-1].last, parts[-1].changed = draft.sequence, draft.sequence - parts[-1].after
    live = {name: [node_id for node_id, row in nodes.items() if row.live] for name, nodes in draft.nodes.items()}
    keys = {edge_type: set(map(hash, edges)) for edge_type, edges in draft.edges.items()}
    return CutBlock(draft.started_at, draft.sequence, parts, live, keys)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in range(width)]


def cut_new_edges(memory: Memory, mutations: Iterable[Mutation], part_rows: int) -> CutBlock | None:
    """The parts of mutations that only make edges, each new and made once; None where that is not sure.

    Raises:
        KindredError: when a column cannot be written.
    """
    if memory.catalogue is None or memory.sequence is None or memory.tombstones is not False:
        return None
    schema = memory.catalogue.schema
    fresh: dict[str, dict[str, None]] = {}
    keys: dict[EdgeType, set[int]] = {}
    every: list[tuple[EdgeSpec, EdgeColumns]] = []
    for mutation in mutations:
        if not isinstance(mutation, UpsertEdges):
            return None
        spec = schema.edge(mutation.edge_type)
        columns = edge_columns(spec, mutation)
        hashes = set(map(hash, columns.keys))
        known = memory.keys.get(spec.edge_type)
        made = keys.setdefault(spec.edge_type, set())
        if known is None or len(hashes) < columns.rows or not known.isdisjoint(hashes) or not made.isdisjoint(hashes):
            return None
        made |= hashes
        for node_type, ids in ((spec.source, columns.source_ids), (spec.target, columns.target_ids)):
            distinct = dict.fromkeys(ids)
            check_ids(distinct, "node id")
            live = memory.live.get(node_type, set())
            absent = [node_id for node_id in distinct if node_id not in live]
            if absent and not (mutation.create_missing and node_type in memory.whole):
                return None
            fresh.setdefault(node_type, {}).update(dict.fromkeys(absent))
        every.append((spec, columns))
    cutting = Cutting(memory.sequence, part_rows)
    for node_type, node_ids in fresh.items():
        cutting.add(Rows(schema.node(node_type), [], [list(node_ids)]))
    later: list[Rows] = []
    cutting.next_kind(needs_nodes=False)
    for spec, columns in every:
        old, new = _in_order(spec, columns, fresh)
        cutting.add(old)
        later.append(new)
    cutting.next_kind(needs_nodes=True)
    for rows in later:
        cutting.add(rows)
    last = cutting.parts[-1].last if cutting.parts else memory.sequence
    return CutBlock(memory.sequence, last, cutting.parts, fresh, keys)


def _in_order(spec: EdgeSpec, columns: EdgeColumns, fresh: Mapping[str, Collection[str]]) -> tuple[Rows, Rows]:
    """Edges between nodes that were there before, and the others; each by the target, usually the denser end.

    The relationships of a node are then written one after the other.
    """
    cells = _cells(spec, columns)
    new_sources, new_targets = fresh[spec.source], fresh[spec.target]
    place = {node_id: at for at, node_id in enumerate(sorted(set(columns.target_ids)))}
    places = np.fromiter(map(place.__getitem__, columns.target_ids), np.int64, columns.rows)
    needs = np.zeros(columns.rows, bool)
    for ids, new in ((columns.source_ids, new_sources), (columns.target_ids, new_targets)):
        if new:
            needs |= np.fromiter(map(new.__contains__, ids), bool, columns.rows)
    order = np.argsort(places + needs * len(place), kind="stable").tolist()
    taken: Callable[[list[Any]], Sequence[Any]] = itemgetter(*order) if len(order) > 1 else tuple
    ordered = Rows(
        spec, list(cells), [list(taken(c)) for c in (columns.source_ids, columns.target_ids, *cells.values())]
    )
    first_new = columns.rows - int(needs.sum())
    return ordered.cut(0, first_new), ordered.cut(first_new, columns.rows)


def _cells(spec: EdgeSpec, columns: EdgeColumns) -> dict[str, list[Any]]:
    """What is stored of edges beside their ends, where any of them has it; a default as None."""
    cells: dict[str, list[Any]] = {}
    if columns.qualifiers is not None:
        cells["cell:qualifier"] = [qualifier or None for qualifier in columns.qualifiers]
    if isinstance(columns.weight, list):
        cells["cell:weight"] = [None if weight == 1.0 else weight for weight in columns.weight]
    elif columns.weight != 1.0:
        cells["cell:weight"] = [columns.weight] * columns.rows
    if columns.times is not None:
        cells["cell:timestamp_ms"] = columns.times
    for name in spec.properties if columns.patches is not None else ():
        cells[f"property:{name}"] = [patch.get(name) for patch in columns.patches or ()]
    return {name: column for name, column in cells.items() if any(map(_THERE, column))}
