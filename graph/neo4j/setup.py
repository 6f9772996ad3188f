"""Constraints and indexes: what a schema needs, what the database has, and how the two differ."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import BATCH, META, TOMBSTONE, Catalogue, Names, quoted
from graph.neo4j.reading.search import text_index_name, text_properties
from graph.neo4j.wire.line import LONG_S, Line


@dataclass(frozen=True, slots=True)
class Wanted:
    """A constraint or index: where it is, and the statement that makes it."""

    kind: str
    """UNIQUE, RANGE, FULLTEXT or VECTOR."""
    on: frozenset[str]
    """Labels, or the relationship type."""
    properties: frozenset[str]
    statement: str
    name: str

    @property
    def place(self) -> tuple[str, frozenset[str], frozenset[str]]:
        return self.kind, self.on, self.properties


def bookkeeping(names: Names) -> Iterator[Wanted]:
    """What Kindred's own nodes need."""
    for label, key in ((META, "name"), (TOMBSTONE, "key"), (BATCH, "token")):
        yield _unique(names, names.prefixed(label), key)
    for label, key in ((TOMBSTONE, "_seq"), (BATCH, "last")):
        yield _range(names, names.prefixed(label), key)


def wanted(catalogue: Catalogue) -> list[Wanted]:
    """Everything the graph needs: unique ids, the feed's order, titles, and the text index."""
    schema, names = catalogue.schema, catalogue.names
    found = list(bookkeeping(names))
    for node in schema.nodes:
        label = names.plain_label(node.name)
        found.append(_unique(names, label, names.plain_key(node.name)))
        found.append(_range(names, label, "_seq"))
        if node.title is not None:
            title = names.plain_node_property(node.name, node.title)
            if title != names.plain_key(node.name):
                found.append(_range(names, label, title))
    for kind in dict.fromkeys(names.plain_type(edge.edge_type) for edge in schema.edges):
        name = plain_name(f"kindred_{kind}_seq")  # relationship types are not prefixed: one index serves every graph
        found.append(
            Wanted(
                "RANGE",
                frozenset([kind]),
                frozenset(["_seq"]),
                statements.create_edge_index(name, quoted(kind), "_seq"),
                name,
            )
        )
    labels = [names.plain_label(node.name) for node in schema.nodes]
    keys = [names.plain_key(node.name) for node in schema.nodes]
    texts = [names.plain_node_property(node.name, name) for node in schema.nodes for name in text_properties(node)]
    properties = list(dict.fromkeys([*keys, *texts]))
    name = text_index_name(catalogue)
    statement = statements.create_text_index(name, labels, properties)
    found.append(Wanted("FULLTEXT", frozenset(labels), frozenset(properties), statement, name))
    return list(dict.fromkeys(found))


def deferrable(catalogue: Catalogue) -> list[Wanted]:
    """The index that a first load does without: nothing is looked up by it meanwhile, and it is made faster at once.

    Those of numbers grow at their end only: keeping them costs less than making them after the load.
    """
    return [one for one in wanted(catalogue) if one.kind == "FULLTEXT"]


def plain_name(name: str) -> str:
    """The name of a constraint or index without signs: an adopted label may have any, and people type these."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain == name else f"{plain}_{zlib.crc32(name.encode()):08x}"


def _unique(names: Names, label: str, key: str) -> Wanted:
    name = plain_name(f"kindred_{label}_{key}")
    return Wanted(
        "UNIQUE", frozenset([label]), frozenset([key]), statements.create_unique(name, quoted(label), quoted(key)), name
    )


def _range(names: Names, label: str, key: str) -> Wanted:
    name = plain_name(f"kindred_{label}_{key}_range")
    return Wanted(
        "RANGE",
        frozenset([label]),
        frozenset([key]),
        statements.create_node_index(name, quoted(label), quoted(key)),
        name,
    )


def present(line: Line) -> dict[tuple[str, frozenset[str], frozenset[str]], tuple[str, str]]:
    """What the database has: place → its name and state."""
    found: dict[tuple[str, frozenset[str], frozenset[str]], tuple[str, str]] = {}
    for row in line.read(lambda tx: tx.run(statements.SHOW_CONSTRAINTS).data()):
        if "UNIQUE" in row["type"] or "NODE_KEY" in row["type"]:
            place = ("UNIQUE", frozenset(row["labelsOrTypes"]), frozenset(row["properties"]))
            found[place] = (row["name"], "ONLINE")
    for row in line.read(lambda tx: tx.run(statements.SHOW_INDEXES).data()):
        if row["owningConstraint"] is None and row["labelsOrTypes"]:
            place = (row["type"], frozenset(row["labelsOrTypes"]), frozenset(row["properties"]))
            found[place] = (row["name"], row["state"])
    return found


def establish(line: Line, needed: list[Wanted]) -> int:
    """How many constraints and indexes were made; afterwards all are there and filled."""
    has = present(line)
    missing = [one for one in needed if one.place not in has]
    names = {name: kind for (kind, _, _), (name, _) in has.items()}
    changes: list[str] = []
    for one in missing:
        if one.name in names:  # the same index over other labels or properties: the schema has grown
            drop = statements.drop_constraint if names[one.name] == "UNIQUE" else statements.drop_index
            changes.append(drop(one.name))
        changes.append(one.statement)
    if missing:
        line.write(lambda tx: change_schema(tx, changes), timeout_s=LONG_S)
        line.command(statements.AWAIT_INDEXES, seconds=int(LONG_S), timeout_s=LONG_S)
    return len(missing)


def change_schema(transaction: Transaction, changes: Iterable[str]) -> None:
    """Nothing; all is changed in this transaction: one for each takes a multiple of the time."""
    for statement in changes:
        transaction.run(statement).consume()


def drift(line: Line, needed: list[Wanted]) -> list[str]:
    """One line for each constraint or index that is missing or broken."""
    has = present(line)
    lines = []
    for one in needed:
        what = {"UNIQUE": "unique constraint", "FULLTEXT": "full-text index"}.get(one.kind, f"{one.kind.lower()} index")
        where = f"{'|'.join(sorted(one.on))} ({', '.join(sorted(one.properties))})"
        if one.place not in has:
            lines.append(f"the {what} on {where} is missing")
        elif has[one.place][1] != "ONLINE":
            lines.append(f"the {what} on {where} is {has[one.place][1].lower()}")
    return lines
