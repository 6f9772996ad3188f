"""Every Cypher statement. Values are parameters; a name comes quoted from :class:`~graph.neo4j.cypher.names.Names`.

``UNWIND`` goes over rows that are lists, because a map would send every name again with every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graph.neo4j.cypher.names import BATCH, META, TOMBSTONE, Names, quoted
from graph.schema import EdgeSpec, EdgeType, NodeSpec

PING = "RETURN 1"
COUNT_ALL = "MATCH (n) RETURN count(n) AS count"
SHOW_CONSTRAINTS = "SHOW CONSTRAINTS YIELD name, type, labelsOrTypes, properties"
SHOW_INDEXES = """
    SHOW INDEXES YIELD name, type, state, entityType, labelsOrTypes, properties, owningConstraint, options
"""
AWAIT_INDEXES = "CALL db.awaitIndexes($seconds)"
SEARCH = "CALL db.index.fulltext.queryNodes($index, $question, {limit: $limit}) YIELD node, score"


# Bookkeeping


def create_meta(names: Names) -> str:
    return f"""
        MERGE (m:{names.own(META)} {{name: 'graph'}})
        ON CREATE SET m.sequence = 0, m.commits = 0, m.format = 1, m.locked = false
        SET m.locked = true RETURN m.schema AS schema, m.adopted AS adopted
    """


def read_schema(names: Names) -> str:
    return f"""
        MATCH (m:{names.own(META)} {{name: 'graph'}})
        RETURN m.schema AS schema, m.adopted AS adopted, m.version AS version, m.format AS format
    """


def write_schema(names: Names) -> str:
    return f"""
        MATCH (m:{names.own(META)} {{name: 'graph'}})
        SET m.schema = $schema, m.adopted = $adopted, m.version = $version, m.commits = m.commits + 1
    """


def batches(names: Names) -> str:
    return f"""
        MATCH (b:{names.own(BATCH)}) WHERE b.last >= $first
        RETURN b.first AS first, b.last AS last, b.batch_id AS batch_id, b.actor AS actor
        ORDER BY b.last LIMIT $limit
    """


def count_tombstones(names: Names) -> str:
    return f"MATCH (t:{names.own(TOMBSTONE)}) RETURN count(t) AS count"


def find_tombstones(names: Names) -> str:
    return f"""
        UNWIND $keys AS key MATCH (t:{names.own(TOMBSTONE)} {{key: key}}) RETURN key, t.version AS version
    """


def write_tombstones(names: Names) -> str:
    return f"""
        UNWIND $rows AS row MERGE (t:{names.own(TOMBSTONE)} {{key: row[0]}})
        SET t.record = row[1], t.version = row[2], t._seq = row[3]
    """


def drop_tombstones(names: Names) -> str:
    return f"UNWIND $keys AS key MATCH (t:{names.own(TOMBSTONE)} {{key: key}}) DELETE t"


# Nodes


def _node_cells(names: Names, spec: NodeSpec, variable: str = "n") -> str:
    return "[" + ", ".join(f"{variable}.{names.node_property(spec.name, name)}" for name in spec.properties) + "]"


def find_nodes(names: Names, spec: NodeSpec) -> str:
    label, key = names.label(spec.name), names.key(spec.name)
    return f"""
        UNWIND $ids AS id MATCH (n:{label} {{{key}: id}})
        RETURN id, coalesce(n._version, 1) AS version, {_node_cells(names, spec)} AS cells
    """


def find_ids(names: Names, node_type: str) -> str:
    """Those of the ids that name a node."""
    return f"UNWIND $ids AS id MATCH (:{names.label(node_type)} {{{names.key(node_type)}: id}}) RETURN id"


def count_nodes(names: Names, node_type: str) -> str:
    return f"MATCH (n:{names.label(node_type)}) RETURN count(n) AS count"


def count_unkeyed_nodes(names: Names, node_type: str) -> str:
    """Nodes that no id stands for: without the key, or with one that is not text."""
    key = names.key(node_type)
    return f"""
        MATCH (n:{names.label(node_type)}) WHERE n.{key} IS NULL OR NOT n.{key} IS :: STRING
        RETURN count(n) AS count
    """


def create_nodes(names: Names, spec: NodeSpec, columns: Sequence[str]) -> str:
    """Rows of id, sequence, version, then the ``columns``."""
    cells = [f"{names.key(spec.name)}: row[0]", "_seq: row[1]", "_version: row[2]"]
    cells += [f"{names.node_property(spec.name, name)}: row[{at}]" for at, name in enumerate(columns, 3)]
    return f"""
        UNWIND $rows AS row CREATE (:{names.label(spec.name)} {{{", ".join(cells)}}}) RETURN count(*) AS count
    """


def update_nodes(names: Names, spec: NodeSpec) -> str:
    """Rows of id, sequence, version, then every property of the schema; what else a node has, it keeps."""
    label, key = names.label(spec.name), names.key(spec.name)
    cells = ["n._seq = row[1]", "n._version = row[2]"]
    cells += [f"n.{names.node_property(spec.name, name)} = row[{at}]" for at, name in enumerate(spec.properties, 3)]
    return f"""
        UNWIND $rows AS row MATCH (n:{label} {{{key}: row[0]}}) SET {", ".join(cells)} RETURN count(*) AS count
    """


def delete_nodes(names: Names, node_type: str) -> str:
    return f"""
        UNWIND $ids AS id MATCH (n:{names.label(node_type)} {{{names.key(node_type)}: id}}) DETACH DELETE n
    """


def node_ids(names: Names, spec: NodeSpec) -> str:
    """Every node's id in the server's order."""
    key = f"n.{names.key(spec.name)}"
    return f"""
        MATCH (n:{names.label(spec.name)}) WHERE {key} IS NOT NULL
        WITH {key} AS id ORDER BY id RETURN collect(id) AS ids
    """


def export_nodes(names: Names, spec: NodeSpec, first: str | None, after: str | None) -> str:
    """One record of two lists: ids, and version and cells of each; ids as in :func:`export_edges`."""
    key = f"n.{names.key(spec.name)}"
    return f"""
        MATCH (n:{names.label(spec.name)}) WHERE {_within(key, first, after)}
        RETURN collect({key}) AS ids, collect([n._version, {_node_cells(names, spec)}]) AS rows
    """


def _within(key: str, first: str | None, after: str | None) -> str:
    bounds = [f"{key} >= $first"] * (first is not None) + [f"{key} < $after"] * (after is not None)
    return " AND ".join([*bounds, f"{key} IS NOT NULL"])


# Edges


def _edge_cells(names: Names, spec: EdgeSpec) -> str:
    return ", ".join(_edge_cell_list(names, spec))


def _edge_cell_list(names: Names, spec: EdgeSpec) -> list[str]:
    edge_type = spec.edge_type
    cells = [f"r.{names.edge_cell(edge_type, name)}" for name in ("qualifier", "weight", "timestamp_ms")]
    return [*cells, "r._version", *(f"r.{names.edge_property(edge_type, name)}" for name in spec.properties)]


def _end(names: Names, variable: str, node_type: str, value: str) -> str:
    return f"({variable}:{names.label(node_type)} {{{names.key(node_type)}: {value}}})"


def _arrow(names: Names, edge_type: EdgeType) -> str:
    source, _, target = edge_type
    return f"(s:{names.label(source)})-[r:{names.type(edge_type)}]->(t:{names.label(target)})"


def count_edges(names: Names, edge_type: EdgeType) -> str:
    return f"MATCH {_arrow(names, edge_type)} RETURN count(r) AS count"


def count_some_edges(names: Names, edge_type: EdgeType) -> str:
    """How many relationships leave the source label: read from the count store, an upper bound."""
    source = names.label(edge_type[0])
    return f"MATCH (:{source})-[r:{names.type(edge_type)}]->() RETURN count(r) AS count"


def find_edges(names: Names, spec: EdgeSpec) -> str:
    """All parallel edges of each pair."""
    return f"""
        UNWIND $pairs AS pair
        MATCH {_end(names, "s", spec.source, "pair[0]")}
        MATCH {_end(names, "t", spec.target, "pair[1]")}
        MATCH (s)-[r:{names.type(spec.edge_type)}]->(t)
        RETURN pair[0] AS source, pair[1] AS target, elementId(r) AS element, [{_edge_cells(names, spec)}] AS cells
    """


def find_edges_at(names: Names, spec: EdgeSpec, end: str) -> str:
    """All edges at each of the ids; ``end`` is ``s`` or ``t``."""
    node_type = spec.source if end == "s" else spec.target
    return f"""
        UNWIND $ids AS id MATCH {_end(names, end, node_type, "id")}
        MATCH {_arrow(names, spec.edge_type)}
        RETURN s.{names.key(spec.source)} AS source, t.{names.key(spec.target)} AS target, elementId(r) AS element,
               [{_edge_cells(names, spec)}] AS cells
    """


def create_edges(names: Names, spec: EdgeSpec, columns: Sequence[str]) -> str:
    """Rows of source, target, sequence, then the ``columns``: cells, ``_version``, properties."""
    cells = ["_seq: row[2]"]
    for at, name in enumerate(columns, 3):
        cells.append(f"{edge_column(names, spec, name)}: row[{at}]")
    return f"""
        UNWIND $rows AS row
        MATCH {_end(names, "s", spec.source, "row[0]")}
        MATCH {_end(names, "t", spec.target, "row[1]")}
        CREATE (s)-[:{names.type(spec.edge_type)} {{{", ".join(cells)}}}]->(t) RETURN count(*) AS count
    """


def edge_column(names: Names, spec: EdgeSpec, name: str) -> str:
    """The quoted property of a column: ``cell:weight``, ``_version`` or ``property:note``."""
    kind, _, rest = name.partition(":")
    if kind == "cell":
        return names.edge_cell(spec.edge_type, rest)
    if kind == "property":
        return names.edge_property(spec.edge_type, rest)
    return quoted(name)


def update_edges(names: Names, spec: EdgeSpec, columns: Sequence[str]) -> str:
    """Rows of the element, the sequence, then the ``columns`` as in :func:`create_edges`."""
    cells = ["r._seq = row[1]"]
    cells += [f"r.{edge_column(names, spec, name)} = row[{at}]" for at, name in enumerate(columns, 2)]
    return f"""
        UNWIND $rows AS row MATCH ()-[r]->() WHERE elementId(r) = row[0]
        SET {", ".join(cells)} RETURN count(*) AS count
    """


DELETE_EDGES = "UNWIND $elements AS element MATCH ()-[r]->() WHERE elementId(r) = element DELETE r"


def source_degrees(names: Names, spec: EdgeSpec) -> str:
    """Every source's id in the server's order, and beside it how many relationships of the type leave it."""
    key = names.key(spec.source)
    return f"""
        MATCH (s:{names.label(spec.source)}) WHERE s.{key} IS NOT NULL
        WITH s.{key} AS id, COUNT {{ (s)-[:{names.type(spec.edge_type)}]->() }} AS degree ORDER BY id
        RETURN collect(id) AS ids, collect(degree) AS degrees
    """


def export_edges(names: Names, spec: EdgeSpec, first: str | None, after: str | None) -> str:
    """One record: sources, targets, then the edge cells, each as a list or null when no edge has a value in it.

    A record an edge costs the client more than all that is in it. Only sources from ``$first`` on and before
    ``$after``, where these are given: the server holds a record as a whole.
    """
    source, target = f"s.{names.key(spec.source)}", f"t.{names.key(spec.target)}"
    cells = _edge_cell_list(names, spec)
    counts = [f"count({cell}) AS count{at}" for at, cell in enumerate(cells)]
    lists = [
        f"CASE WHEN count{at} = 0 THEN null ELSE [r IN edges | {cell}] END AS cells{at}"
        for at, cell in enumerate(cells)
    ]
    return f"""
        MATCH (s:{names.label(spec.source)}) WHERE {_within(source, first, after)}
        MATCH {_arrow(names, spec.edge_type)} WHERE {target} IS NOT NULL
        WITH collect({source}) AS sources, collect({target}) AS targets, collect(r) AS edges, {", ".join(counts)}
        RETURN sources, targets, {", ".join(lists)}
    """


def neighbor_section(names: Names, spec: EdgeSpec, direction: str) -> str:
    """Edges of one type at one node in the order of (other id, qualifier), after a place in it."""
    near, far, end = (spec.source, spec.target, "s") if direction == "out" else (spec.target, spec.source, "t")
    other = f"{'t' if direction == 'out' else 's'}.{names.key(far)}"
    qualifier = f"coalesce(r.{names.edge_cell(spec.edge_type, 'qualifier')}, '')"
    return f"""
        MATCH {_end(names, end, near, "$id")}
        MATCH {_arrow(names, spec.edge_type)}
        WITH r, {other} AS other, {qualifier} AS qualifier
        WHERE other > $other OR (other = $other AND qualifier > $qualifier)
        WITH other, qualifier, collect([{_edge_cells(names, spec)}])[0] AS cells
        RETURN other, cells ORDER BY other, qualifier LIMIT $limit
    """


def steps_around(names: Names, spec: EdgeSpec, direction: str) -> str:
    """The edges of one type at several nodes, for walking on."""
    near, far, end = (spec.source, spec.target, "s") if direction == "out" else (spec.target, spec.source, "t")
    other = f"{'t' if direction == 'out' else 's'}.{names.key(far)}"
    return f"""
        UNWIND $ids AS id MATCH {_end(names, end, near, "id")}
        MATCH {_arrow(names, spec.edge_type)}
        RETURN id, {other} AS other, [{_edge_cells(names, spec)}] AS cells LIMIT $limit
    """


# The change feed


def changed_rows(names: Names, nodes: Iterable[NodeSpec], edges: Iterable[EdgeSpec]) -> str:
    """Rows with a sequence number in the range, at most ``$limit`` of each type.

    ``kind`` is N, E or T (tombstone), ``at`` the number of the type.
    """
    parts = []
    for at, node in enumerate(nodes):
        parts.append(
            f"MATCH (n:{names.label(node.name)}) WHERE n._seq > $since AND n._seq <= $until"
            f" RETURN 'N' AS kind, {at} AS at, n._seq AS sequence, n._version AS version,"
            f" n.{names.key(node.name)} AS source, null AS target, {_node_cells(names, node)} AS cells"
            " ORDER BY sequence LIMIT $limit"
        )
    for at, edge in enumerate(edges):
        parts.append(
            f"MATCH {_arrow(names, edge.edge_type)} WHERE r._seq > $since AND r._seq <= $until"
            f" RETURN 'E' AS kind, {at} AS at, r._seq AS sequence, r._version AS version,"
            f" s.{names.key(edge.source)} AS source, t.{names.key(edge.target)} AS target,"
            f" [{_edge_cells(names, edge)}] AS cells ORDER BY sequence LIMIT $limit"
        )
    parts.append(
        f"MATCH (t:{names.own(TOMBSTONE)}) WHERE t._seq > $since AND t._seq <= $until"
        " RETURN 'T' AS kind, 0 AS at, t._seq AS sequence, t.version AS version,"
        " t.record AS source, null AS target, [] AS cells ORDER BY sequence LIMIT $limit"
    )
    return " UNION ALL ".join(parts)


# Constraints and indexes


def create_unique(name: str, label: str, key: str) -> str:
    return f"CREATE CONSTRAINT {quoted(name)} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{key} IS UNIQUE"


def create_node_index(name: str, label: str, key: str) -> str:
    return f"CREATE RANGE INDEX {quoted(name)} IF NOT EXISTS FOR (n:{label}) ON (n.{key})"


def create_edge_index(name: str, relationship_type: str, key: str) -> str:
    return f"CREATE RANGE INDEX {quoted(name)} IF NOT EXISTS FOR ()-[r:{relationship_type}]-() ON (r.{key})"


def create_text_index(name: str, labels: Iterable[str], properties: Iterable[str]) -> str:
    on = ", ".join(f"n.{quoted(name)}" for name in properties)
    return (
        f"CREATE FULLTEXT INDEX {quoted(name)} IF NOT EXISTS FOR (n:{'|'.join(map(quoted, labels))}) ON EACH [{on}]"
        " OPTIONS {indexConfig: {`fulltext.analyzer`: 'standard-folding'}}"
    )


def create_vector_index(name: str, label: str, key: str, dimensions: int) -> str:
    return (
        f"CREATE VECTOR INDEX {quoted(name)} IF NOT EXISTS FOR (n:{label}) ON (n.{key})"
        f" OPTIONS {{indexConfig: {{`vector.dimensions`: {int(dimensions)},"
        " `vector.similarity_function`: 'cosine'}}"
    )


def drop_index(name: str) -> str:
    return f"DROP INDEX {quoted(name)} IF EXISTS"


def drop_constraint(name: str) -> str:
    return f"DROP CONSTRAINT {quoted(name)} IF EXISTS"
