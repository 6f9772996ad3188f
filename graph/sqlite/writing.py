"""How a mutation of any kind is written inside a transaction."""

from __future__ import annotations

from graph.errors import InputError
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.sqlite.edge_writing import delete_edges, upsert_edges
from graph.sqlite.node_writing import delete_nodes, upsert_nodes
from graph.sqlite.transaction import Transaction


def write(transaction: Transaction, mutation: Mutation) -> None:
    """Nothing; the mutation is written, and its changes counted in the transaction."""
    if isinstance(mutation, UpsertNodes):
        upsert_nodes(transaction, mutation)
    elif isinstance(mutation, UpsertEdges):
        upsert_edges(transaction, mutation)
    elif isinstance(mutation, DeleteNodes):
        delete_nodes(transaction, mutation)
    elif isinstance(mutation, DeleteEdges):
        delete_edges(transaction, mutation)
    else:
        expected = "UpsertNodes, UpsertEdges, DeleteNodes or DeleteEdges"
        raise InputError("this cannot be written", expected=expected, got=mutation)
