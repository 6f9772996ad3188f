"""The change feed: every row changed after a watermark, oldest first."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from itertools import islice

from graph.records import Change, Edge, Node
from graph.sqlite.catalogue import Catalogue
from graph.values import loaded_properties

# The joins are CROSS, which to SQLite means "in this order": walk the sequence, look the rest up.
_NODES = """
    SELECT n.sequence, n.deleted, b.batch_id, b.actor, n.node_type, n.node_id, n.properties, n.version
    FROM nodes AS n CROSS JOIN batches AS b ON b.id = n.batch
    WHERE n.sequence > ? ORDER BY n.sequence
"""
_EDGES = """
    SELECT e.sequence, e.deleted, b.batch_id, b.actor, e.edge_type, s.node_id, t.node_id, e.qualifier,
           e.weight, e.timestamp_ms, e.properties, e.version
    FROM edges AS e
    CROSS JOIN batches AS b ON b.id = e.batch
    CROSS JOIN nodes AS s ON s.id = e.source
    CROSS JOIN nodes AS t ON t.id = e.target
    WHERE e.sequence > ? ORDER BY e.sequence
"""


def changes(connection: sqlite3.Connection, catalogue: Catalogue, since: int, limit: int | None) -> Iterator[Change]:
    """Every row changed after the sequence number ``since``, oldest first, at most ``limit``."""
    streams = heapq.merge(
        connection.execute(_NODES, (since,)), connection.execute(_EDGES, (since,)), key=lambda row: row[0]
    )
    for sequence, deleted, batch_id, actor, type_number, *cells in islice(streams, limit):
        record: Node | Edge
        if len(cells) == 3:
            node_id, properties, version = cells
            record = Node(catalogue.node_names[type_number], node_id, loaded_properties(properties), version)
        else:
            source_id, target_id, qualifier, weight, timestamp_ms, properties, version = cells
            edge_type = catalogue.edge_names[type_number]
            loaded = loaded_properties(properties)
            record = Edge(edge_type, source_id, target_id, qualifier, weight, timestamp_ms, loaded, version)
        yield Change("delete" if deleted else "upsert", record, str(sequence), batch_id, actor)
