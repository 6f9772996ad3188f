"""Erasure of a node inside a transaction: its edges are no longer in the file, its id is a pseudonym."""

from __future__ import annotations

from graph.erasure import pseudonym
from graph.sqlite.transaction import Transaction

_ERASE = """
    UPDATE nodes SET node_id = ?, properties = NULL, deleted = 1, version = version + 1, sequence = ?, batch = ?
    WHERE id = ?
"""


def erase_node(transaction: Transaction, node_type: str, node_id: str) -> None:
    """Nothing; the node, live or long deleted, and every edge at it are gone for good.

    The edges leave no tombstones: the node's own tells readers of the change feed to drop them.
    """
    connection, catalogue = transaction.connection, transaction.catalogue
    found = connection.execute(
        "SELECT id FROM nodes WHERE node_type = ? AND node_id = ?", (catalogue.node_type(node_type), node_id)
    ).fetchone()
    if found is None:
        return
    for (source, _, target), edge_type in catalogue.edge_types.items():
        for end_type, column in ((source, "source"), (target, "target")):
            if end_type == node_type:
                statement = f"DELETE FROM edges WHERE edge_type = ? AND {column} = ?"  # noqa: S608  # one of two words
                transaction.changed += connection.execute(statement, (edge_type, found[0])).rowcount
    cells = (pseudonym(node_id), *transaction.sequences(1), transaction.batch, found[0])
    transaction.count_nodes(connection.execute(_ERASE, cells).rowcount)
