"""How nodes are created, updated and deleted inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from graph.errors import Conflict
from graph.records import DeleteNodes, UpsertNodes
from graph.sqlite.transaction import Transaction
from graph.values import canonical_json, check_ids, checked_properties, column_list, id_list, patch_json

# What a row already holds is found, compared and kept by the statement itself: a row that would not change is
# not touched, so its version, sequence and batch stay.
_MERGE = """
    INSERT INTO nodes (node_type, node_id, properties, version, deleted, sequence, batch)
    VALUES (?1, ?2, ?3, 1, 0, ?5, ?6)
    ON CONFLICT (node_type, node_id) DO UPDATE SET
        properties = CASE WHEN deleted THEN excluded.properties ELSE merged_json(properties, ?4) END,
        version = version + 1, deleted = 0, sequence = excluded.sequence, batch = excluded.batch
    WHERE deleted OR properties IS NOT merged_json(properties, ?4)
"""
_REPLACE = """
    INSERT INTO nodes (node_type, node_id, properties, version, deleted, sequence, batch)
    VALUES (?1, ?2, ?3, 1, 0, ?5, ?6)
    ON CONFLICT (node_type, node_id) DO UPDATE SET
        properties = excluded.properties,
        version = version + 1, deleted = 0, sequence = excluded.sequence, batch = excluded.batch
    WHERE deleted OR properties IS NOT excluded.properties
"""
_CREATE = """
    INSERT INTO nodes (id, node_type, node_id, version, deleted, sequence, batch) VALUES (?, ?, ?, 1, 0, ?, ?)
"""
_ANY = "SELECT EXISTS (SELECT 1 FROM nodes WHERE node_type = ?)"
_FIND_ONE = "SELECT node_id, id, deleted FROM nodes WHERE node_type = ? AND node_id = ?"
_FIND_MANY = """
    SELECT node_id, id, deleted FROM nodes WHERE node_type = ? AND node_id IN (SELECT value FROM json_each(?))
"""
_EDGES_OUT = "SELECT edge_type, source, target, qualifier FROM edges WHERE edge_type = ? AND source = ? AND NOT deleted"
_EDGES_IN = "SELECT edge_type, source, target, qualifier FROM edges WHERE edge_type = ? AND target = ? AND NOT deleted"
_TOMBSTONE = "UPDATE nodes SET deleted = 1, properties = NULL, sequence = ?, batch = ? WHERE id = ?"
_EDGE_TOMBSTONE = """
    UPDATE edges SET deleted = 1, weight = 1.0, timestamp_ms = NULL, properties = NULL, sequence = ?, batch = ?
    WHERE edge_type = ? AND source = ? AND target = ? AND qualifier = ? AND NOT deleted
"""
EdgeKey = tuple[int, int, int, str]
"""Edge type, source and target as the file's numbers, and the qualifier."""

_ASKED_AT_ONCE = 10_000
_REMEMBERED_NODES = 2_000_000


def upsert_nodes(transaction: Transaction, mutation: UpsertNodes) -> None:
    """Nothing; the nodes hold what the mutation says."""
    spec = transaction.catalogue.schema.node(mutation.node_type)
    node_type = transaction.catalogue.node_type(mutation.node_type)
    node_ids = id_list(mutation.node_ids, "node id")
    rows = len(node_ids)
    distinct = dict.fromkeys(node_ids)
    check_ids(distinct, "node id")
    if mutation.properties is None and not mutation.replace and mutation.expected_version is None:
        create_missing(transaction, node_type, distinct)  # all there is to do, and edges find the numbers remembered
        return
    transaction.complete.discard(node_type)
    contents: list[str | None] = [None] * rows
    patches = contents
    if mutation.properties is not None:
        contents, patches = [], []
        for node_id, properties in zip(node_ids, column_list(mutation.properties, "properties", rows), strict=True):
            checked = checked_properties(spec.properties, properties, f"{spec.name} {node_id}")
            content = canonical_json(checked)
            contents.append(content)
            patches.append(patch_json(checked) if None in checked.values() else content)
    statement = _REPLACE if mutation.replace else _MERGE
    batch = transaction.batch
    cells = zip(
        (node_type for _ in range(rows)),
        node_ids,
        contents,
        patches,
        transaction.sequences(rows),
        (batch for _ in range(rows)),
        strict=True,
    )
    connection = transaction.connection
    if mutation.expected_version is None:
        transaction.count_nodes(connection.executemany(statement, cells).rowcount)
        return
    for cell, expected in zip(cells, column_list(mutation.expected_version, "expected_version", rows), strict=True):
        row = connection.execute(
            "SELECT version FROM nodes WHERE node_type = ? AND node_id = ? AND NOT deleted", cell[:2]
        ).fetchone()
        version = 0 if row is None else row[0]
        if version != expected:
            raise Conflict(
                "the node changed since it was read",
                expected=f"version {expected}",
                got=f"version {version}",
                where=f"{spec.name} {cell[1]}",
                remedy="Read it again and repeat the edit.",
            )
        transaction.count_nodes(connection.execute(statement, cell).rowcount)


def live_numbers(transaction: Transaction, node_type: int, node_ids: Mapping[str, None]) -> dict[str, int]:
    """The number of every live node of ``node_type`` met so far, with those of ``node_ids`` among them."""
    known = transaction.live.setdefault(node_type, {})
    unknown = [node_id for node_id in node_ids if node_id not in known]
    known.update(
        (node_id, number) for node_id, number, deleted in _found(transaction, node_type, unknown) if not deleted
    )
    return known


def create_missing(transaction: Transaction, node_type: int, node_ids: Mapping[str, None]) -> dict[str, int]:
    """As :func:`live_numbers`, after the nodes that are not live were created without properties."""
    known = transaction.live.setdefault(node_type, {})
    missing = {node_id: None for node_id in node_ids if node_id not in known}
    if not missing:
        return known
    if len(known) > _REMEMBERED_NODES:  # bounded memory, whatever the size of the load
        known.clear()
        transaction.complete.discard(node_type)
        missing = dict(node_ids)
    connection = transaction.connection
    if not known and not connection.execute(_ANY, (node_type,)).fetchone()[0]:
        transaction.complete.add(node_type)
    unsure = [] if node_type in transaction.complete else list(missing)
    for node_id, number, deleted in _found(transaction, node_type, unsure):
        if deleted:
            reborn = (node_type, node_id, None, None, *transaction.sequences(1), transaction.batch)
            transaction.count_nodes(connection.execute(_REPLACE, reborn).rowcount)
        known[node_id] = number
        del missing[node_id]
    last = connection.execute("SELECT coalesce(max(id), 0) FROM nodes").fetchone()[0]
    created = dict(zip(missing, range(last + 1, last + 1 + len(missing)), strict=True))
    batch = transaction.batch
    if created:
        sequences = transaction.sequences(len(created))
        cells = (
            (number, node_type, node_id, sequence, batch)
            for (node_id, number), sequence in zip(created.items(), sequences, strict=True)
        )
        transaction.count_nodes(connection.executemany(_CREATE, cells).rowcount)
    known.update(created)
    return known


def _found(transaction: Transaction, node_type: int, node_ids: list[str]) -> Iterable[tuple[str, int, int]]:
    """Id, number and whether it is deleted, of those ``node_ids`` that ever were."""
    if len(node_ids) == 1:
        return transaction.connection.execute(_FIND_ONE, (node_type, node_ids[0])).fetchall()
    found: list[tuple[str, int, int]] = []
    for start in range(0, len(node_ids), _ASKED_AT_ONCE):
        asked = json.dumps(node_ids[start : start + _ASKED_AT_ONCE], ensure_ascii=False)
        found.extend(transaction.connection.execute(_FIND_MANY, (node_type, asked)))
    return found


def delete_nodes(transaction: Transaction, mutation: DeleteNodes) -> None:
    """Nothing; the nodes and every edge at them are tombstones."""
    node_type = transaction.catalogue.node_type(mutation.node_type)
    node_ids = dict.fromkeys(id_list(mutation.node_ids, "node id"))
    check_ids(node_ids, "node id")
    known = live_numbers(transaction, node_type, node_ids)
    transaction.complete.discard(node_type)
    for node_id in node_ids:
        number = known.pop(node_id, None)
        if number is not None:
            bury_edges(transaction, _edges_at(transaction, mutation.node_type, number))
            cells = (*transaction.sequences(1), transaction.batch, number)
            transaction.count_nodes(transaction.connection.execute(_TOMBSTONE, cells).rowcount)


def _edges_at(transaction: Transaction, node_type: str, number: int) -> list[EdgeKey]:
    found: dict[EdgeKey, None] = {}  # an edge from a node to itself is met twice
    for (source, _, target), edge_type in transaction.catalogue.edge_types.items():
        for end_type, statement in ((source, _EDGES_OUT), (target, _EDGES_IN)):
            if end_type == node_type:
                found.update(dict.fromkeys(transaction.connection.execute(statement, (edge_type, number))))
    return list(found)


def bury_edges(transaction: Transaction, keys: list[EdgeKey]) -> None:
    """Nothing; those of the edges that are live are tombstones: the key, version and sequence stay."""
    if keys:
        sequences, batch = transaction.sequences(len(keys)), transaction.batch
        cells = ((sequence, batch, *key) for sequence, key in zip(sequences, keys, strict=True))
        transaction.changed += transaction.connection.executemany(_EDGE_TOMBSTONE, cells).rowcount
