"""Queries that look for what is wrong: orphans, duplicates, and what is missing or spelled in two ways."""

from __future__ import annotations

from collections.abc import Iterator

from api.curator.saved import SavedQuery
from api.curator.spelling import Spelling
from graph.curation import PINNED
from graph.schema import HIDDEN, EdgeRole, EdgeSpec, NodeRole, NodeSpec, PropertyKind


def suspicious(spelling: Spelling) -> Iterator[SavedQuery]:
    """Orphans, duplicates, and what is missing or spelled in two ways."""
    for spec in spelling.schema.nodes:
        if spec.role is not NodeRole.USER and spec.title and spec.properties[spec.title] is PropertyKind.STRING:
            yield _same_name(spec, spelling)
    for edge in spelling.item_edges(EdgeRole.ATTRIBUTE):
        yield _without(edge, spelling)
    yield SavedQuery(
        "check",
        "Orphans",
        "Nodes without any relation: nothing can lead to them.",
        f"MATCH (node) WHERE NOT (node)--() AND {spelling.ours('node')}\nRETURN node LIMIT 50",
    )
    yield SavedQuery(
        "check",
        "Nodes without an id",
        "Made by hand and not finished: without the property that identifies it a node takes no part.",
        _without_id(spelling),
    )
    if spelling.mark(HIDDEN) or spelling.mark(PINNED):
        yield SavedQuery(
            "check",
            "Hidden and pinned items",
            "What curators took out of answers, or put at the top.",
            _marked(spelling),
        )


def _same_name(spec: NodeSpec, spelling: Spelling) -> SavedQuery:
    shown, title = spelling.names.plain_label(spec.name), spelling.caption(spec.name)
    of_items = spec.name == spelling.item.name
    return SavedQuery(
        "check",
        f"{shown} duplicates" if of_items else f"{shown} names that differ by case or spaces",
        "The same name twice." if of_items else "One thing under two spellings splits its items.",
        f"MATCH (node:{spelling.label(spec.name)}) WHERE node.{title} IS NOT NULL\n"
        f"WITH toLower(replace(trim(node.{title}), '  ', ' ')) AS spelling, collect(node) AS nodes\n"
        "WHERE size(nodes) > 1\n"
        f"RETURN spelling, [node IN nodes | node.{spelling.key(spec.name)}] AS ids, "
        f"[node IN nodes | node.{title}] AS written\n"
        "ORDER BY size(nodes) DESC LIMIT 50",
    )


def _without(edge: EdgeSpec, spelling: Spelling) -> SavedQuery:
    item, names = spelling.item.name, spelling.names
    return SavedQuery(
        "check",
        f"{names.plain_label(item)}s without {names.plain_type(edge.edge_type)}",
        f"Items that no {names.plain_label(edge.target)} leads to.",
        f"MATCH (item:{spelling.label(item)})\n"
        f"WHERE NOT (item)-[:{spelling.relation(edge.edge_type)}]->(:{spelling.label(edge.target)})\n"
        f"RETURN item.{spelling.key(item)} AS id, item.{spelling.caption(item)} AS title LIMIT 50",
    )


def _without_id(spelling: Spelling) -> str:
    """Labels that have the same key are asked together."""
    by_key: dict[str, list[str]] = {}
    for spec in spelling.schema.nodes:
        by_key.setdefault(spelling.key(spec.name), []).append(spelling.label(spec.name))
    return "\nUNION\n".join(
        f"MATCH (node:{'|'.join(labels)}) WHERE node.{key} IS NULL\nRETURN node LIMIT 50"
        for key, labels in by_key.items()
    )


def _marked(spelling: Spelling) -> str:
    item = spelling.item.name
    marks = {name: mark for name in (HIDDEN, PINNED) if (mark := spelling.mark(name))}
    return (
        f"MATCH (item:{spelling.label(item)}) WHERE {' OR '.join(f'item.{mark}' for mark in marks.values())}\n"
        f"RETURN item.{spelling.key(item)} AS id, item.{spelling.caption(item)} AS title, "
        + ", ".join(f"item.{mark} AS {name}" for name, mark in marks.items())
        + " LIMIT 100"
    )
