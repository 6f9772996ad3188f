"""How edges are created, updated and deleted inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat
from typing import Any, cast

import numpy as np

from graph.errors import NotFound
from graph.records import DeleteEdges, Properties, UpsertEdges
from graph.schema import EdgeSpec
from graph.sqlite.node_writing import EdgeKey, bury_edges, create_missing, live_numbers
from graph.sqlite.transaction import Transaction
from graph.values import (
    canonical_json,
    check_ids,
    checked_properties,
    column_list,
    edge_ids,
    patch_json,
    timestamp_list,
    weight_list,
)

# As for nodes, the statement itself finds, compares and keeps what is there. ?1 to ?4 are in every statement:
# edge type, batch, (first) sequence number and, when it is a scalar, the weight.
_INSERT = """
    INSERT INTO edges (edge_type, source, target, qualifier, weight, timestamp_ms, properties,
                       version, deleted, sequence, batch)
    VALUES"""
_ON_CONFLICT = """
    ON CONFLICT DO UPDATE SET
        weight = excluded.weight, timestamp_ms = excluded.timestamp_ms,
        version = version + 1, deleted = 0, sequence = excluded.sequence, batch = excluded.batch,
        properties = CASE WHEN deleted THEN excluded.properties ELSE {merged} END
    WHERE deleted OR weight IS NOT excluded.weight OR timestamp_ms IS NOT excluded.timestamp_ms
        OR properties IS NOT {merged}
"""
_MERGED = "merged_json(properties, excluded.properties)"
_SORTED_FROM = 1_000
_AT_ONCE = (100, 10)
"""Rows of one statement; what is left is written row by row, so that there are few statements."""
_COLUMNS = {
    "source": "",
    "target": "",
    "qualifier": "''",
    "weight": "?4",
    "timestamp_ms": "NULL",
    "properties": "NULL",
}
"""The columns that can differ between rows, and what stands in every row when one does not."""

# A row is inserted without the properties its patch removes; the patch itself can only be told row by row.
_UPSERT_PATCH = (
    _INSERT + "(?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 0, ?8, ?9)" + _ON_CONFLICT.format(merged="merged_json(properties, ?10)")
)


@dataclass(slots=True)
class EdgeRows:
    """Rows of one edge type whose ends have their numbers: the columns that differ between rows, and the one weight.

    ``patches`` where some remove properties: such rows are told one by one.
    """

    edge_type: int
    columns: dict[str, list[Any]]
    weight: float
    patches: list[str | None] | None = None


def upsert_edges(transaction: Transaction, mutation: UpsertEdges) -> None:
    """Nothing; the edges hold what the mutation says.

    Raises:
        NotFound: when an end is not there and the mutation does not create missing ends.
    """
    edges = edge_rows(transaction, mutation)
    if edges.patches is None and len(edges.columns["source"]) >= _SORTED_FROM:
        # Stable: of rows with the same key the last one still wins.
        order = np.lexsort((edges.columns["target"], edges.columns["source"])).tolist()
        edges.columns = {name: [column[row] for row in order] for name, column in edges.columns.items()}
    write_rows(transaction, edges)


def edge_rows(transaction: Transaction, mutation: UpsertEdges) -> EdgeRows:
    """What the mutation says, checked; missing ends are there now, or refused as by :func:`upsert_edges`."""
    catalogue = transaction.catalogue
    spec = catalogue.schema.edge(mutation.edge_type)
    source_ids, target_ids, qualifiers = edge_ids(mutation)
    rows = len(source_ids)
    weight = weight_list(mutation.weight, rows)
    columns: dict[str, list[Any] | None] = {
        "source": _numbers(transaction, spec.source, source_ids, spec, mutation.create_missing),
        "target": _numbers(transaction, spec.target, target_ids, spec, mutation.create_missing),
        "qualifier": qualifiers,
        "weight": weight if isinstance(weight, list) else None,
        "timestamp_ms": timestamp_list(mutation.timestamp_ms, rows),
        "properties": None,
    }
    patches: list[str | None] | None = None
    if mutation.properties is not None:
        checked = _checked(spec, column_list(mutation.properties, "properties", rows))
        columns["properties"] = [canonical_json(properties) for properties in checked]
        if any(None in properties.values() for properties in checked):
            patches = [patch_json(properties) for properties in checked]
    varying = {name: column for name, column in columns.items() if column is not None}
    return EdgeRows(
        catalogue.edge_type(mutation.edge_type), varying, 1.0 if isinstance(weight, list) else weight, patches
    )


def write_rows(transaction: Transaction, edges: EdgeRows) -> None:
    """Nothing; many rows are handed over with each statement: fast where they come in the order of the clustered key.

    Rows are taken to be new as long as they are: a statement that only inserts needs no copy of each page it touches,
    to be undone alone, and Python's lock is given away once for all of its rows.
    """
    if edges.patches is not None:
        _upsert_patches(transaction, edges, edges.patches)
        return
    rows = len(edges.columns["source"])
    shape, width = tuple(edges.columns), len(edges.columns)
    cells = list(chain.from_iterable(zip(*edges.columns.values(), strict=True)))
    start = 0
    for at_once in _AT_ONCE:
        while rows - start >= at_once:
            constants = (edges.edge_type, transaction.batch, transaction.sequences(at_once).start, edges.weight)
            own = cells[start * width : (start + at_once) * width]
            inserted = transaction.connection.execute(_insert(shape, at_once), (*constants, *own)).rowcount
            transaction.changed += inserted
            if inserted < at_once:  # some were there: those just inserted stay as they are
                _upsert_each(transaction, edges.edge_type, shape, cells[start * width :], edges.weight)
                return
            start += at_once
    _upsert_each(transaction, edges.edge_type, shape, cells[start * width :], edges.weight)


def _upsert_each(
    transaction: Transaction, edge_type: int, shape: tuple[str, ...], cells: list[Any], weight: float
) -> None:
    if not cells:
        return
    width = len(shape)
    sequences = transaction.sequences(len(cells) // width)
    rows = (
        (edge_type, transaction.batch, sequence, weight, *cells[row * width : (row + 1) * width])
        for row, sequence in enumerate(sequences)
    )
    transaction.changed += transaction.connection.executemany(_upsert(shape), rows).rowcount


@cache
def _insert(shape: tuple[str, ...], rows: int) -> str:
    """The statement for so many rows that passes over those that are there."""
    width = len(shape)
    rows_of = (_row(shape, 5 + row * width, f"?3 + {row}") for row in range(rows))
    return _INSERT.replace("INSERT", "INSERT OR IGNORE") + ", ".join(rows_of)


@cache
def _upsert(shape: tuple[str, ...]) -> str:
    """The statement for one row."""
    merged = _MERGED if "properties" in shape else "properties"
    return _INSERT + _row(shape, 5, "?3") + _ON_CONFLICT.format(merged=merged)


def _row(shape: tuple[str, ...], first: int, sequence: str) -> str:
    """One row; ``shape`` names the columns that differ between rows, in the order of their parameters."""
    places = {name: f"?{number}" for number, name in enumerate(shape, first)}
    return f"(?1, {', '.join(places.get(name, default) for name, default in _COLUMNS.items())}, 1, 0, {sequence}, ?2)"


def _upsert_patches(transaction: Transaction, edges: EdgeRows, patches: list[str | None]) -> None:
    rows = len(patches)
    constant: dict[str, Any] = {"qualifier": "", "weight": edges.weight}
    cells = zip(
        repeat(edges.edge_type, rows),
        *(edges.columns.get(name) or repeat(constant.get(name), rows) for name in _COLUMNS),
        transaction.sequences(rows),
        repeat(transaction.batch, rows),
        patches,
        strict=True,
    )
    if rows:
        transaction.changed += transaction.connection.executemany(_UPSERT_PATCH, cells).rowcount


def _checked(spec: EdgeSpec, column: list[Properties]) -> list[Properties]:
    where = "-".join(spec.edge_type)
    return [checked_properties(spec.properties, properties, where) for properties in column]


def _numbers(transaction: Transaction, node_type: str, node_ids: list[str], spec: EdgeSpec, create: bool) -> list[int]:
    """The file's number of each end; absent ends are created, or refused."""
    type_number = transaction.catalogue.node_type(node_type)
    # Most have been met: each look at a million names waits for memory, so those are looked up once, and that is all.
    numbers = list(map(transaction.live.get(type_number, {}).get, node_ids))
    if None not in numbers:
        return cast(list[int], numbers)
    unknown = dict.fromkeys(node_id for node_id, number in zip(node_ids, numbers, strict=True) if number is None)
    check_ids(unknown, "node id")
    number_of = create_missing if create else live_numbers
    found: Mapping[str, int] = number_of(transaction, type_number, unknown)
    try:
        return [found[node_id] if number is None else number for node_id, number in zip(node_ids, numbers, strict=True)]
    except KeyError:
        absent = [node_id for node_id in unknown if node_id not in found]
        raise NotFound(
            f"{len(absent)} of the edges' end nodes {'is' if len(absent) == 1 else 'are'} not there",
            expected=f"{node_type} nodes",
            got=", ".join(absent[:5]),
            where="-".join(spec.edge_type),
            remedy="Write the nodes first, or use create_missing.",
        ) from None


def delete_edges(transaction: Transaction, mutation: DeleteEdges) -> None:
    """Nothing; the edges are tombstones."""
    catalogue = transaction.catalogue
    spec = catalogue.schema.edge(mutation.edge_type)
    edge_type = catalogue.edge_type(mutation.edge_type)
    source_ids, target_ids, qualifiers = edge_ids(mutation)
    sources = _numbers_or_zero(transaction, spec.source, source_ids)
    targets = _numbers_or_zero(transaction, spec.target, target_ids)
    pairs = list(zip(sources, targets, strict=True))
    keys: list[EdgeKey]
    if qualifiers is not None:
        keys = [(edge_type, *pair, qualifier) for pair, qualifier in zip(pairs, qualifiers, strict=True)]
    else:
        keys = [
            (edge_type, *pair, qualifier)
            for pair in dict.fromkeys(pairs)
            for (qualifier,) in transaction.connection.execute(
                "SELECT qualifier FROM edges WHERE edge_type = ? AND source = ? AND target = ? AND NOT deleted",
                (edge_type, *pair),
            ).fetchall()
        ]
    bury_edges(transaction, keys)


def _numbers_or_zero(transaction: Transaction, node_type: str, node_ids: list[str]) -> list[int]:
    """The file's number of each end; 0, which no node has, for an absent one."""
    distinct = dict.fromkeys(node_ids)
    check_ids(distinct, "node id")
    known = live_numbers(transaction, transaction.catalogue.node_type(node_type), distinct)
    return [known.get(node_id, 0) for node_id in node_ids]
