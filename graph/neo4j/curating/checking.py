"""What does not fit the schema: found by the server, told to people with the query that puts it right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from neo4j import Transaction

from graph.curation import curated_edges, curated_nodes
from graph.neo4j.curating.slots import SLOTS
from graph.neo4j.cypher import curation
from graph.neo4j.cypher.names import EDGE_CELLS, Catalogue, quoted
from graph.problems import Problem
from graph.schema import EdgeSpec, NodeSpec
from graph.values import MAX_ID_CHARS

_TAME = re.compile(r"[\w .,&+#()/:-]{1,200}\Z")
_CASTS = {
    "string": "toString({})",
    "integer": "toInteger({})",
    "number": "toFloat({})",
    "boolean": "toBoolean({})",
    "timestamp": "{}.epochMillis",
    "strings": "[entry IN {} | toString(entry)]",
}


def problems(transaction: Transaction, catalogue: Catalogue, limit: int) -> list[Problem]:
    """Up to ``limit`` problems of each kind and type, nodes before relations."""
    return list(_Check(transaction, catalogue, limit).all())


class _Check:
    def __init__(self, transaction: Transaction, catalogue: Catalogue, limit: int) -> None:
        self._transaction = transaction
        self._schema = catalogue.schema
        self._names = catalogue.names
        self._limit = limit
        self._labels = {self._names.plain_label(spec.name): spec.name for spec in self._schema.nodes}
        self._keys = {label: self._names.plain_key(name) for label, name in self._labels.items()}

    def all(self) -> Iterator[Problem]:
        yield from self._unknown_labels()
        for node in curated_nodes(self._schema):
            yield from self._several_labels(node)
            yield from self._ids(node)
            yield from self._kinds(node)
            yield from self._unknown_properties(node)
        yield from self._unknown_relations()
        yield from self._ends()
        for edge in curated_edges(self._schema):
            yield from self._edge_kinds(edge)
            yield from self._made_twice(edge)

    def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        return self._transaction.run(statement, limit=self._limit, **parameters).data()

    # Nodes

    def _unknown_labels(self) -> Iterator[Problem]:
        """Only in a database that is all ours: beside an adopted graph anything may live."""
        if self._names.adopted.nodes or self._names.adopted.edges:
            return
        start = self._names.prefixed("")
        there = [row["label"] for row in self._transaction.run(curation.LABELS).data()]
        foreign = [
            label
            for label in there
            if label.startswith(start) and label not in self._labels and not self._is_own(label.removeprefix(start))
        ]
        if not foreign or (not start and any("_Kindred" in label for label in there)):
            return  # other graphs live here too
        for row in self._rows(
            curation.nodes_without_a_type([quoted(label) for label in foreign]), labels=[*self._labels]
        ):
            label = row["labels"][0]
            yield Problem(
                "unknown_label",
                _node(label, row["id"], row["element"]),
                f"the schema has no label {label}; it has {', '.join(self._labels)}",
                f"MATCH {_found(label, row)} SET n:{_name(next(iter(self._labels)))} REMOVE n:{_name(label)}  "
                "// with the label that is meant; for a new kind of node write it into the mapping",
            )

    @staticmethod
    def _is_own(label: str) -> bool:
        return label.startswith("Kindred")

    def _several_labels(self, node: NodeSpec) -> Iterator[Problem]:
        label = self._names.plain_label(node.name)
        rows = self._rows(curation.nodes_of_two_types(self._names, node), labels=[*self._labels])
        for row in rows:
            others = [other for other in row["labels"] if other != label]
            if row["labels"][0] == label:  # once, not once a label
                yield Problem(
                    "several_labels",
                    _node(label, row["id"]),
                    f"it is a {label} and a {others[0]} at once, and counts as both",
                    f"MATCH {_keyed(label, self._key(node), row['id'])} REMOVE n:{_name(others[0])}",
                )

    def _key(self, node: NodeSpec) -> str:
        return self._names.plain_key(node.name)

    def _ids(self, node: NodeSpec) -> Iterator[Problem]:
        label, key = self._names.plain_label(node.name), self._key(node)
        for row in self._rows(curation.nodes_without_id(self._names, node), most=MAX_ID_CHARS):
            missing = row["missing"]
            cast = f'"…"  // with its {key}' if missing or not row["id"] else f"toString(n.{_name(key)})"
            yield Problem(
                "missing_id" if missing else "unusable_id",
                _node(label, row["id"], row["element"]),
                f"it has no {key}, and takes no part without"
                if missing
                else f"its {key} is no text of 1 to {MAX_ID_CHARS} characters; it takes no part",
                f"MATCH (n) WHERE elementId(n) = {_text(row['element'])} SET n.{_name(key)} = {cast}",
            )

    def _kinds(self, node: NodeSpec) -> Iterator[Problem]:
        label = self._names.plain_label(node.name)
        for name, kind in node.properties.items():
            plain = self._names.plain_node_property(node.name, name)
            for row in self._rows(curation.nodes_of_wrong_kind(self._names, node, name)):
                cast = _CASTS[kind].format(f"n.{_name(plain)}")
                yield Problem(
                    "wrong_type",
                    _node(label, row["id"]),
                    f"{plain} is of type {_kind(row['type'])}, and the schema says {kind}; it is left out",
                    f"MATCH {_keyed(label, self._key(node), row['id'])} SET n.{_name(plain)} = {cast}",
                )

    def _unknown_properties(self, node: NodeSpec) -> Iterator[Problem]:
        label = self._names.plain_label(node.name)
        if node.name in self._names.adopted.nodes:
            return  # it has what it has
        known = [self._names.plain_node_property(node.name, name) for name in node.properties]
        for row in self._rows(
            curation.nodes_with_unknown_properties(self._names, node), known=[*known, self._key(node), *SLOTS]
        ):
            name = row["unknown"][0]
            yield Problem(
                "unknown_property",
                _node(label, row["id"]),
                f"the schema has no property {name} of {label}; it has {', '.join(known) or 'none'}",
                f"MATCH {_keyed(label, self._key(node), row['id'])} REMOVE n.{_name(name)}  "
                "// or write it into the mapping",
            )

    # Relations

    def _unknown_relations(self) -> Iterator[Problem]:
        known = {self._names.plain_type(spec.edge_type) for spec in self._schema.edges} | {curation.SIMILAR}
        if self._names.adopted.edges:
            return
        for row in self._transaction.run(curation.TYPES).data():
            relation = row["relationshipType"]
            if relation in known:
                continue
            for found in self._rows(curation.edges_of_unknown_type(relation), labels=[*self._labels]):
                yield Problem(
                    "unknown_relation",
                    _relation(found, relation),
                    f"the schema has no relation {relation}; it has {', '.join(sorted(known - {curation.SIMILAR}))}",
                    f"{self._between(found, relation)} DELETE r  // and MERGE one that the schema has, or write it "
                    "into the mapping",
                )

    def _ends(self) -> Iterator[Problem]:
        """Relations of the schema between nodes that it does not join, e.g. the wrong way round."""
        allowed: dict[str, list[EdgeSpec]] = {}
        for spec in self._schema.edges:
            allowed.setdefault(self._names.plain_type(spec.edge_type), []).append(spec)
        curated = {spec.edge_type for spec in curated_edges(self._schema)}
        keys = sorted({quoted(key) for key in self._keys.values()})
        for relation, specs in allowed.items():
            if not any(spec.edge_type in curated for spec in specs):
                continue
            pairs = [(self._names.label(spec.source), self._names.label(spec.target)) for spec in specs]
            plain = self._names.plain_label
            shown = " or ".join(f"{plain(spec.source)} to {plain(spec.target)}" for spec in specs)
            statement = curation.edges_between_wrong_ends(quoted(relation), pairs, keys)
            for row in self._rows(statement, labels=[*self._labels]):
                if row["source_type"] not in self._labels and row["target_type"] not in self._labels:
                    continue
                yield Problem(
                    "wrong_ends",
                    _relation(row, relation),
                    f"{relation} goes from {shown}",
                    f"{self._between(row, relation)} DELETE r  // and MERGE it between the right nodes",
                )

    def _edge_kinds(self, edge: EdgeSpec) -> Iterator[Problem]:
        relation = self._names.plain_type(edge.edge_type)
        for name in dict.fromkeys((*EDGE_CELLS, *edge.properties)):
            for row in self._rows(curation.edges_of_wrong_kind(self._names, edge, name)):
                ends = self._ended(edge, row)
                yield Problem(
                    "wrong_type",
                    _relation(ends, relation),
                    f"{name} is of type {_kind(row['type'])}; the relation counts, this value does not",
                    f"{self._between(ends, relation)} REMOVE r.{_name(name)}",
                )

    def _made_twice(self, edge: EdgeSpec) -> Iterator[Problem]:
        relation = self._names.plain_type(edge.edge_type)
        for row in self._rows(curation.edges_made_twice(self._names, edge)):
            ends = self._ended(edge, row)
            yield Problem(
                "parallel_relation",
                _relation(ends, relation),
                f"it is there {row['times']} times and counts once",
                f"{self._between(ends, relation)} WITH r ORDER BY r._seq WITH collect(r) AS all "
                "FOREACH (r IN all[1..] | DELETE r)",
            )

    def _between(self, row: dict[str, Any], relation: str) -> str:
        def end(side: str) -> str:
            label = row[side + "_type"]
            named = f":{_name(label)}" if label else ""
            if row[side] is None:
                return f"({named})"
            return f"({named} {{{_name(self._keys.get(label, 'id'))}: {_text(row[side])}}})"

        return f"MATCH {end('source')}-[r:{_name(relation)}]->{end('target')}"

    def _ended(self, edge: EdgeSpec, row: dict[str, Any]) -> dict[str, Any]:
        labels = {
            "source_type": self._names.plain_label(edge.source),
            "target_type": self._names.plain_label(edge.target),
        }
        return row | labels


def _kind(cypher_type: str) -> str:
    """A type of the database in the words of the schema."""
    plain = cypher_type.replace(" NOT NULL", "").lower()
    return {"float": "number"}.get(plain, plain)


def _name(text: str) -> str:
    return text if text.isidentifier() and text.isascii() else quoted(text)


def _text(value: object) -> str:
    """The value as a Cypher literal; a gap to fill where it holds anything but plain characters.

    People run these lines, and Cypher reads escapes before it reads literals: escaping would not make it safe.
    """
    shown = str(value)
    return f'"{shown}"' if _TAME.match(shown) else '"…"'


def _node(label: str, node_id: object, element: str | None = None) -> str:
    named = f"id {node_id!r}" if node_id is not None else f"element {element}"
    return f"{label} {named}"


def _keyed(label: str, key: str, node_id: object) -> str:
    return f"(n:{_name(label)} {{{_name(key)}: {_text(node_id)}}})"


def _found(label: str, row: dict[str, Any]) -> str:
    return f"(n:{_name(label)}) WHERE elementId(n) = {_text(row['element'])}"


def _relation(row: dict[str, Any], relation: str) -> str:
    source, target = _node(row["source_type"], row["source"], "?"), _node(row["target_type"], row["target"], "?")
    return f"{source} -{relation}-> {target}"
