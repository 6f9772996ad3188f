"""Edits that do not fit the schema, what Kindred says of them, and whether its own fixes put them right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.curator import Spelling
from tests.neo4j.curated_shop import Hand

UNKNOWN = "GOES_WITH"


@dataclass(frozen=True)
class Mistake:
    """An edit by hand that breaks the schema, and the kind of problem that it is."""

    kind: str
    cypher: str


def mistakes(spelling: Spelling, item: str, other: str) -> list[Mistake]:
    """Those that people make: a typing error in a name, a text for a number, a node without its id."""
    label, key = spelling.label(spelling.item.name), spelling.key(spelling.item.name)
    one = spelling.node("item", spelling.item.name, item)
    pair = f"{one}, {spelling.node('other', spelling.item.name, other)}"
    return [
        Mistake("missing_id", f"CREATE (:{label} {{title: 'a new thing'}})"),
        Mistake("wrong_type", f"MATCH {one} SET item.price = 'cheap'"),
        Mistake("unknown_property", f"MATCH {one} SET item.Title = 'in capitals'"),
        Mistake("unknown_relation", f"MATCH {pair} CREATE (item)-[:{UNKNOWN}]->(other)"),
        Mistake(
            "parallel_relation", f"MATCH {pair} CREATE (item)-[:COMPLEMENTS]->(other), (item)-[:COMPLEMENTS]->(other)"
        ),
        Mistake("unusable_id", f"CREATE (:{label} {{{key}: 4711}})"),
    ]


def mended(hand: Hand, problems: Sequence[dict[str, Any]]) -> None:
    """Nothing; every fix was run, with an id where it asks for one."""
    for number, problem in enumerate(problems):
        hand(problem["fix"].partition("//")[0].replace('"…"', f"'mended-{number}'"))
