"""The Cypher statements about the part that people edit: what is there, what does not fit, what is shown to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graph.neo4j.cypher.names import EDGE_CELLS, META, Names, quoted
from graph.neo4j.cypher.statements import _arrow, _edge_cells, _end, _node_cells
from graph.schema import EdgeSpec, NodeSpec

KNOWN, RELEASE, CURRENT = "KindredKnown", "KindredRelease", "KindredCurrent"
"""Labels of bookkeeping: what was last known of the curated part; what is published; which of that counts."""
SIMILAR = "SIMILAR_TO"
LABELS = "CALL db.labels() YIELD label RETURN label"
TYPES = "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType"

# Hand edits


def _part(variable: str) -> str:
    """Some number that spreads nodes over a few dozen records: a record costs more than what is in it."""
    return f"toInteger(split(elementId({variable}), ':')[2]) % 64"


def numbered_nodes(names: Names, spec: NodeSpec) -> str:
    """Parts with their groups, one a node: its id, then a list of one row: number, version, cells."""
    key = names.key(spec.name)
    return f"""
        MATCH (n:{names.label(spec.name)}) WHERE n.{key} IS NOT NULL
        WITH {_part("n")} AS part, collect([n.{key}, [[n._seq, n._version, {_node_cells(names, spec)}]]]) AS groups
        RETURN part, groups
    """


def numbered_edges(names: Names, spec: EdgeSpec) -> str:
    """Parts with their groups, one a source: its id, then its rows: target, number, cells as for reading."""
    return f"""
        MATCH {_arrow(names, spec.edge_type)}
        WITH s, collect([t.{names.key(spec.target)}, r._seq, {_edge_cells(names, spec)}]) AS rows
        WITH {_part("s")} AS part, collect([s.{names.key(spec.source)}, rows]) AS groups
        RETURN part, groups
    """


def stamp_nodes(names: Names, spec: NodeSpec) -> str:
    """Rows of id, number, and the version it had when it was known (null: never)."""
    return f"""
        UNWIND $rows AS row MATCH (n:{names.label(spec.name)} {{{names.key(spec.name)}: row[0]}})
        SET n._version = {_next_version("n")}, n._seq = row[1]
        RETURN row[0] AS source, coalesce(n._version, 1) AS version
    """


def stamp_edges(names: Names, spec: EdgeSpec) -> str:
    """Rows of source, number, version it had (null: never), target, qualifier; of twins the one numbered before."""
    qualifier = names.edge_cell(spec.edge_type, "qualifier")
    return f"""
        UNWIND $rows AS row
        MATCH {_end(names, "s", spec.source, "row[0]")}
        MATCH {_end(names, "t", spec.target, "row[3]")}
        MATCH (s)-[r:{names.type(spec.edge_type)}]->(t)
        WHERE coalesce(toStringOrNull(r.{qualifier}), '') = row[4]
        WITH row, r ORDER BY r._seq
        WITH row, collect(r)[0] AS r
        SET r._version = {_next_version("r")}, r._seq = row[1]
        RETURN row[0] AS source, row[3] AS target, row[4] AS qualifier, coalesce(r._version, 1) AS version
    """


def _next_version(variable: str) -> str:
    """One more than the last version that is known here or there; the first of a new row is not written out."""
    own = f"coalesce({variable}._version, 1)"
    return f"""CASE
            WHEN row[2] IS NULL AND {variable}._seq IS NULL THEN null
            WHEN coalesce(row[2], 0) > {own} THEN row[2] + 1
            ELSE {own} + 1 END"""


DATABASE = "CALL db.info() YIELD id, creationDate RETURN id, creationDate"
"""Which database this is: another one, or one made anew, says otherwise."""


def read_known(names: Names) -> str:
    return f"MATCH (k:{names.own(KNOWN)}) RETURN k.type AS type, k.content AS content"


def read_known_number(names: Names) -> str:
    """What :func:`keep_known_number` has kept: the number, what is vouched for, and which whole the rest is."""
    return f"MATCH (m:{names.own(META)} {{name: 'graph'}}) RETURN m.known, m.vouched, {_whole(names)}"


def kept_whole(names: Names) -> str:
    """The token of who kept the parts last; null when some have been added or taken away since."""
    return f"MATCH (m:{names.own(META)} {{name: 'graph'}}) RETURN {_whole(names)}"


def _whole(names: Names) -> str:
    return f"CASE WHEN m.parts = COUNT {{ (:{names.own(KNOWN)}) }} THEN m.kept END"


def drop_known(names: Names) -> str:
    return f"MATCH (k:{names.own(KNOWN)}) DELETE k"


def write_known(names: Names) -> str:
    """Rows of type, bucket and content, in place of what is there of the bucket."""
    return f"""
        UNWIND $rows AS row
        MERGE (k:{names.own(KNOWN)} {{type: row[0], bucket: row[1]}})
        SET k.content = row[2]
    """


def keep_known_number(names: Names) -> str:
    """``$known`` is the number up to which the curated part is known, ``$vouched`` of what database and commit that is,
    ``$kept`` a token of this very time; a commit of ours that changes no row.
    """
    return f"""
        MATCH (m:{names.own(META)} {{name: 'graph'}})
        SET m.commits = m.commits + 1, m.known = $known, m.vouched = $vouched, m.kept = $kept,
            m.parts = COUNT {{ (:{names.own(KNOWN)}) }}
    """


def count_commit(names: Names) -> str:
    """Counts a commit of ours that changes no row."""
    return f"MATCH (m:{names.own(META)} {{name: 'graph'}}) SET m.commits = m.commits + 1"


# Problems


def nodes_without_a_type(own: Sequence[str]) -> str:
    """Nodes of no label of the schema; ``own`` are quoted labels, $labels the schema's."""
    return f"""
        MATCH (n:{"|".join(own)})
        WHERE none(label IN labels(n) WHERE label IN $labels)
        RETURN labels(n) AS labels, elementId(n) AS element, n.id AS id LIMIT $limit
    """


NODES_WITHOUT_A_LABEL = "MATCH (n) WHERE size(labels(n)) = 0 RETURN elementId(n) AS element, n.id AS id LIMIT $limit"


def nodes_of_two_types(names: Names, spec: NodeSpec) -> str:
    return f"""
        MATCH (n:{names.label(spec.name)})
        WITH n, [label IN labels(n) WHERE label IN $labels] AS labels WHERE size(labels) > 1
        RETURN n.{names.key(spec.name)} AS id, labels LIMIT $limit
    """


def nodes_without_id(names: Names, spec: NodeSpec) -> str:
    """Without a key, or with one that is no text or no fitting one."""
    key = f"n.{names.key(spec.name)}"
    return f"""
        MATCH (n:{names.label(spec.name)})
        WHERE {key} IS NULL OR NOT {key} IS :: STRING NOT NULL OR size(toStringOrNull({key})) > $most
              OR toStringOrNull({key}) = ''
        RETURN elementId(n) AS element, toStringOrNull({key}) AS id, {key} IS NULL AS missing LIMIT $limit
    """


_PREDICATES = {
    "string": "STRING",
    "integer": "INTEGER",
    "number": "INTEGER | FLOAT",
    "boolean": "BOOLEAN",
    "timestamp": "INTEGER",
    "strings": "LIST<STRING NOT NULL>",
}
"""Kinds of the schema as Cypher's types."""


def nodes_of_wrong_kind(names: Names, spec: NodeSpec, name: str) -> str:
    value = f"n.{names.node_property(spec.name, name)}"
    return f"""
        MATCH (n:{names.label(spec.name)})
        WHERE {value} IS NOT NULL AND NOT {value} IS :: {_PREDICATES[spec.properties[name]]}
        RETURN n.{names.key(spec.name)} AS id, valueType({value}) AS type LIMIT $limit
    """


def nodes_with_unknown_properties(names: Names, spec: NodeSpec) -> str:
    return f"""
        MATCH (n:{names.label(spec.name)})
        WITH n, [name IN keys(n) WHERE NOT name IN $known AND NOT name STARTS WITH '_'] AS unknown
        WHERE size(unknown) > 0
        RETURN n.{names.key(spec.name)} AS id, unknown LIMIT $limit
    """


def edges_of_wrong_kind(names: Names, spec: EdgeSpec, name: str) -> str:
    """``name`` is one of the cells, or of the schema's properties."""
    if name in EDGE_CELLS and name not in spec.properties:
        value = f"r.{names.edge_cell(spec.edge_type, name)}"
        kind = {"qualifier": "STRING", "weight": "INTEGER | FLOAT", "timestamp_ms": "INTEGER"}[name]
    else:
        value, kind = f"r.{names.edge_property(spec.edge_type, name)}", _PREDICATES[spec.properties[name]]
    return f"""
        MATCH {_arrow(names, spec.edge_type)} WHERE {value} IS NOT NULL AND NOT {value} IS :: {kind}
        RETURN s.{names.key(spec.source)} AS source, t.{names.key(spec.target)} AS target, valueType({value}) AS type
        LIMIT $limit
    """


def edges_of_unknown_type(relation: str) -> str:
    """Relations of a type that the schema does not have, at a node that it has."""
    return f"""
        MATCH (a)-[r:{quoted(relation)}]->(b)
        WHERE any(label IN labels(a) WHERE label IN $labels) OR any(label IN labels(b) WHERE label IN $labels)
        RETURN labels(a)[0] AS source_type, a.id AS source, labels(b)[0] AS target_type, b.id AS target LIMIT $limit
    """


def edges_between_wrong_ends(relation: str, allowed: Iterable[tuple[str, str]], keys: Sequence[str]) -> str:
    """``allowed`` are pairs of quoted labels, ``keys`` the quoted properties that hold ids; $labels the schema's."""
    fits = " OR ".join(f"(a:{source} AND b:{target})" for source, target in allowed)
    shown = [
        f"coalesce([label IN labels({end}) WHERE label IN $labels][0], labels({end})[0]) AS {side}_type, "
        f"coalesce({', '.join(f'{end}.{key}' for key in keys)}) AS {side}"
        for end, side in (("a", "source"), ("b", "target"))
    ]
    return f"MATCH (a)-[r:{relation}]->(b) WHERE NOT ({fits}) RETURN {', '.join(shown)} LIMIT $limit"


def edges_made_twice(names: Names, spec: EdgeSpec) -> str:
    qualifier = f"coalesce(toStringOrNull(r.{names.edge_cell(spec.edge_type, 'qualifier')}), '')"
    return f"""
        MATCH {_arrow(names, spec.edge_type)} WHERE r._seq IS NULL
        WITH DISTINCT s, t MATCH (s)-[r:{names.type(spec.edge_type)}]->(t)
        WITH s, t, {qualifier} AS qualifier, count(r) AS times WHERE times > 1
        RETURN s.{names.key(spec.source)} AS source, t.{names.key(spec.target)} AS target, times LIMIT $limit
    """


# Publishing


def current_release(names: Names) -> str:
    """What counts. The number is read once, then the release that it names, as every query of a curator has to."""
    return f"""
        MATCH (current:{names.own(CURRENT)}) WITH current.slot AS slot
        MATCH (k:{names.own(RELEASE)} {{slot: slot}})
        RETURN k.release AS release, k.slot AS slot, k.model AS model
    """


def set_vectors(names: Names, node_type: str, name: str) -> str:
    """Rows of id and vector. The number of a row stays: a vector is no edit."""
    return f"""
        UNWIND $rows AS row MATCH (n:{names.label(node_type)} {{{names.key(node_type)}: row[0]}})
        CALL db.create.setNodeVectorProperty(n, $name, row[1])
        RETURN count(*) AS count
    """.replace("$name", f"'{name}'")


def drop_vectors(names: Names, node_type: str, name: str) -> str:
    return f"""
        MATCH (n:{names.label(node_type)}) WHERE n.{quoted(name)} IS NOT NULL
        WITH n LIMIT $limit REMOVE n.{quoted(name)} RETURN count(*) AS count
    """


def write_similar(names: Names, node_type: str) -> str:
    """Rows of source, target, score."""
    return f"""
        UNWIND $rows AS row
        MATCH {_end(names, "s", node_type, "row[0]")}
        MATCH {_end(names, "t", node_type, "row[1]")}
        MERGE (s)-[r:{quoted(SIMILAR)} {{slot: $slot}}]->(t) SET r.score = row[2], r.release = $release
        RETURN count(*) AS count
    """


def drop_similar(names: Names, node_type: str) -> str:
    """Of the slot, or of none."""
    return f"""
        MATCH (:{names.label(node_type)})-[r:{quoted(SIMILAR)}]->() WHERE coalesce(r.slot, $slot) = $slot
        WITH r LIMIT $limit DELETE r RETURN count(*) AS count
    """


def write_release(names: Names) -> str:
    """What a slot holds; nobody reads it before :func:`switch_release` names the slot."""
    return f"""
        MERGE (k:{names.own(RELEASE)} {{slot: $slot}})
        SET k.release = $release, k.model = $model, k.embedding = $embedding, k.item_index = $item_index,
            k.user_index = $user_index, k.dimensions = $dimensions, k.at_ms = timestamp()
    """


def drop_release(names: Names) -> str:
    """Of the slot, or of none."""
    return f"MATCH (k:{names.own(RELEASE)}) WHERE coalesce(k.slot, $slot) = $slot DELETE k"


def switch_release(names: Names) -> str:
    """The one step: a number in a node that stays, so a reader sees it as it was or as it is."""
    return f"MERGE (current:{names.own(CURRENT)}) SET current.slot = $slot"


RUNNING = """
    SHOW TRANSACTIONS YIELD transactionId, startTime, database, currentQueryId
    WHERE database = $database RETURN transactionId AS id
"""
