"""How edges are created, updated and deleted inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat

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
    id_list,
    patch_json,
    timestamp_list,
    weight_list,
)

# As for nodes, the statement itself finds, compares and keeps what is there.
_INSERT = """
    INSERT INTO edges (edge_type, source, target, qualifier, weight, timestamp_ms, properties,
                       version, deleted, sequence, batch)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 0, ?8, ?9)
    ON CONFLICT DO UPDATE SET
        weight = excluded.weight, timestamp_ms = excluded.timestamp_ms,
        version = version + 1, deleted = 0, sequence = excluded.sequence, batch = excluded.batch,
        properties = CASE WHEN deleted THEN excluded.properties ELSE {properties} END
    WHERE deleted OR weight IS NOT excluded.weight OR timestamp_ms IS NOT excluded.timestamp_ms
"""
_UPSERT = _INSERT.format(properties="properties")
_UPSERT_PROPERTIES = (
    _INSERT.format(properties="merged_json(properties, ?10)") + " OR properties IS NOT merged_json(properties, ?10)"
)


def upsert_edges(transaction: Transaction, mutation: UpsertEdges) -> None:
    """Nothing; the edges hold what the mutation says.

    Raises:
        NotFound: when an end is not there and the mutation does not create missing ends.
    """
    catalogue = transaction.catalogue
    spec = catalogue.schema.edge(mutation.edge_type)
    source_ids = id_list(mutation.source_ids, "source id")
    rows = len(source_ids)
    target_ids = id_list(mutation.target_ids, "target id", rows)
    qualifiers: Iterable[str] = repeat("", rows)
    if mutation.qualifiers is not None:
        qualifiers = id_list(mutation.qualifiers, "qualifier", rows)
        check_ids(set(qualifiers), "qualifier", empty_allowed=True)
    weight = weight_list(mutation.weight, rows)
    timestamps = timestamp_list(mutation.timestamp_ms, rows)
    columns: list[Iterable[object]] = [
        repeat(catalogue.edge_type(mutation.edge_type), rows),
        _numbers(transaction, spec.source, source_ids, spec, mutation.create_missing),
        _numbers(transaction, spec.target, target_ids, spec, mutation.create_missing),
        qualifiers,
        weight if isinstance(weight, list) else repeat(weight, rows),
        repeat(None, rows) if timestamps is None else timestamps,
    ]
    statement = _UPSERT
    if mutation.properties is None:
        columns += [repeat(None, rows), transaction.sequences(rows), repeat(transaction.batch, rows)]
    else:
        statement = _UPSERT_PROPERTIES
        checked = _checked(spec, column_list(mutation.properties, "properties", rows))
        patches = [patch_json(properties) for properties in checked]
        contents = [canonical_json(properties) for properties in checked]
        columns += [contents, transaction.sequences(rows), repeat(transaction.batch, rows), patches]
    if rows:
        cursor = transaction.connection.executemany(statement, zip(*columns, strict=True))
        transaction.changed += cursor.rowcount


def _checked(spec: EdgeSpec, column: list[Properties]) -> list[Properties]:
    where = "-".join(spec.edge_type)
    return [checked_properties(spec.properties, properties, where) for properties in column]


def _numbers(transaction: Transaction, node_type: str, node_ids: list[str], spec: EdgeSpec, create: bool) -> list[int]:
    """The file's number of each end; absent ends are created, or refused."""
    distinct = dict.fromkeys(node_ids)
    check_ids(distinct, "node id")
    number_of = create_missing if create else live_numbers
    known: Mapping[str, int] = number_of(transaction, transaction.catalogue.node_type(node_type), distinct)
    try:
        return [known[node_id] for node_id in node_ids]
    except KeyError:
        absent = [node_id for node_id in distinct if node_id not in known]
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
    source_ids = id_list(mutation.source_ids, "source id")
    rows = len(source_ids)
    target_ids = id_list(mutation.target_ids, "target id", rows)
    sources = _numbers_or_zero(transaction, spec.source, source_ids)
    targets = _numbers_or_zero(transaction, spec.target, target_ids)
    pairs = list(zip(sources, targets, strict=True))
    keys: list[EdgeKey]
    if mutation.qualifiers is not None:
        qualifiers = id_list(mutation.qualifiers, "qualifier", rows)
        check_ids(set(qualifiers), "qualifier", empty_allowed=True)
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
