"""Whether the curated part is as it was when it was last compared: then a start has nothing to compare.

What is known of the part is kept together with the commit up to which it was compared, and with what tells this
database from another one and from an older copy of itself. Any of that missing, torn or different: it is compared anew.
"""

from __future__ import annotations

import json

from neo4j import Transaction

from graph.curation import curated_edges, curated_nodes
from graph.neo4j.cypher import curation, statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.reading.feed import record_of
from graph.records import Edge, Node

MOST_ROWS = 20_000
"""More rows of ours than this since then: comparing is as fast as reading them one by one."""


def vouched(transaction: Transaction, catalogue: Catalogue, mark: object) -> str | None:
    """What has to be the same at a start: the database, its curated rows by number, the schema and the commits of
    others; None when these could not be told.
    """
    if not isinstance(mark, int):
        return None
    schema, names = catalogue.schema, catalogue.names
    database = [str(value) for value in transaction.run(curation.DATABASE).values()[0]]
    counts = [statements.count_nodes(names, spec.name) for spec in curated_nodes(schema)]
    counts += [statements.count_some_edges(names, spec.edge_type) for spec in curated_edges(schema)]
    rows = [transaction.run(count).values()[0][0] for count in counts]
    return json.dumps([*database, catalogue.version, mark, rows])


def rows_of_ours(
    transaction: Transaction, catalogue: Catalogue, since: int, until: int
) -> list[tuple[Node | Edge, int, bool]] | None:
    """The curated rows that were given a number in ``(since, until]``, with it, and whether it is a deletion; None when
    they are too many.
    """
    nodes, edges = curated_nodes(catalogue.schema), curated_edges(catalogue.schema)
    curated = {spec.name for spec in nodes} | {spec.edge_type for spec in edges}
    statement = statements.changed_rows(catalogue.names, nodes, edges)
    rows = transaction.run(statement, since=since, until=until, limit=MOST_ROWS).values()
    if len(rows) >= MOST_ROWS:
        return None
    found = []
    for row in sorted(rows, key=lambda row: int(row[2])):
        record = record_of(row, nodes, edges)
        if record is None:
            return None  # its key is gone, which no write of ours does
        if (record.node_type if isinstance(record, Node) else record.edge_type) in curated:
            found.append((record, int(row[2]), row[0] == "T"))
    return found
