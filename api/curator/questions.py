"""Queries that only look: neighbourhoods, similar items, paths, what changed, what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator

from api.curator.examples import Examples
from api.curator.saved import SavedQuery
from api.curator.spelling import Spelling
from api.curator.words import literal, tame
from graph.curation import is_imported
from graph.schema import EdgeRole, NodeRole

_TELLING = (EdgeRole.ATTRIBUTE, EdgeRole.ITEM_RELATION, EdgeRole.HIERARCHY, EdgeRole.KNOWLEDGE)
_MAX_HOPS = 4
_TOLD, _STRONGEST = 50, 5
"""Relations of one item that are shown: those that people or imports have stated, and of each other kind."""
_NEWEST = "ORDER BY number DESC LIMIT 25"


def looking(spelling: Spelling, examples: Examples) -> Iterator[SavedQuery]:
    """What a curator wants to see of one item, and of the whole graph."""
    item_type, user_type = spelling.schema.item_type, spelling.schema.user_type
    item, user = spelling.label(item_type), spelling.label(user_type)
    key = spelling.key(item_type)
    row = f"node.{key} AS id, coalesce(node.{spelling.caption(item_type)}, node.{key}) AS title"
    chosen = spelling.node("item", item_type, examples.item)
    release = _release(spelling)
    yield SavedQuery(
        "look",
        "How many nodes of each kind",
        "What is in the graph at all.",
        f"MATCH (node) WHERE {spelling.ours('node')}\n"
        "RETURN labels(node)[0] AS kind, count(*) AS nodes ORDER BY nodes DESC",
    )
    yield SavedQuery(
        "look",
        "The neighbourhood of an item",
        "An item with its attributes and relations, and the strongest of what was bought after it and of its buyers. "
        "Put another id in.",
        _neighbourhood(spelling, examples),
    )
    yield SavedQuery(
        "look",
        "Find items by their words",
        "Full-text search over the catalogue.",
        f"CALL db.index.fulltext.queryNodes({_full_text(spelling)}, {literal(examples.text)}) YIELD node, score\n"
        f"WHERE node:{item}\n"
        f"RETURN {row}, round(score, 2) AS score LIMIT 20",
    )
    yield SavedQuery(
        "look",
        "Similar items by vector",
        "The items that the model puts closest. Needs kindred release publish.",
        f"{release}\nMATCH {chosen}\n"
        "CALL db.index.vector.queryNodes(release.item_index, 11, item[release.embedding]) YIELD node, score\n"
        "WHERE node <> item\n"
        f"RETURN {row}, round(score, 3) AS score, release.release AS release",
    )
    yield SavedQuery(
        "look",
        "Items near a text",
        "Items whose words match, and what the model puts close to them. Needs kindred release publish.",
        _near_text(spelling, examples, row),
    )
    yield SavedQuery(
        "look",
        "Items for a user by vector",
        "What the model alone would recommend to one user. Needs kindred release publish.",
        f"{release}\nMATCH (user:{user})\n"
        "WHERE user[release.embedding] IS NOT NULL\n"
        "WITH release, user LIMIT 1\n"
        "CALL db.index.vector.queryNodes(release.item_index, 10, user[release.embedding]) YIELD node, score\n"
        f"RETURN user.{spelling.key(user_type)} AS user, {row}, round(score, 3) AS score",
    )
    yield SavedQuery(
        "look",
        "Learned neighbours of an item",
        "SIMILAR_TO edges of the current release. Needs kindred release publish --similar-to 10.",
        f"{release}\nMATCH path = {chosen}-[:SIMILAR_TO {{slot: release.slot}}]->(:{item})\nRETURN path",
    )
    yield SavedQuery(
        "look",
        "Why two items are related",
        "The shortest paths between two items; those through busy nodes, which say little, come last.",
        _why_related(spelling, examples),
    )
    yield SavedQuery(
        "look",
        "What changed lately",
        "The newest rows of the curated part, who wrote them and when; browser stands for an edit by hand.",
        _changed_lately(spelling),
    )


def _neighbourhood(spelling: Spelling, examples: Examples) -> str:
    """What says something first and whole; of what is derived or bought the strongest few, or they hide the rest."""
    item, edges = spelling.item.name, spelling.schema.edges
    at_item = [edge for edge in edges if item in (edge.source, edge.target) and not edge.holdout]
    told = [edge for edge in at_item if edge.role in _TELLING and not is_imported(edge)]
    parts = [f"  MATCH path = (item)-[:{spelling.relations(told)}]-()\n  RETURN path LIMIT {_TOLD}"] if told else []
    parts += [
        f"  MATCH path = (item)-[strength:{spelling.relation(edge.edge_type)}]-"
        f"(:{spelling.label(edge.target if edge.source == item else edge.source)})\n"
        f"  RETURN path ORDER BY coalesce(strength.{spelling.weight(edge.edge_type)}, 1) DESC LIMIT {_STRONGEST}"
        for edge in at_item
        if is_imported(edge) or (edge.role is EdgeRole.INTERACTION and edge.positive)
    ]
    chosen = spelling.node("item", item, examples.item)
    if not parts:
        return f"MATCH path = {chosen}--()\nRETURN path LIMIT {_TOLD}"
    return f"MATCH {chosen}\nCALL (item) {{\n" + "\n  UNION\n".join(parts) + "\n}\nRETURN path"


def _why_related(spelling: Spelling, examples: Examples) -> str:
    item_type = spelling.item.name
    roles = {*_TELLING, EdgeRole.INTERACTION}
    relations = spelling.relations(spec for spec in spelling.schema.edges if spec.role in roles and not spec.holdout)
    return (
        f"MATCH {spelling.node('a', item_type, examples.item)}\n"
        f"MATCH {spelling.node('b', item_type, examples.other_item)}\n"
        f"MATCH path = SHORTEST 20 (a)-[:{relations}]-{{1,{_MAX_HOPS}}}(b)\n"
        "WITH path, reduce(busy = 0.0, node IN nodes(path)[1..-1] | busy + log(1 + COUNT { (node)--() })) AS busy\n"
        "RETURN path ORDER BY length(path), busy LIMIT 5"
    )


def _release(spelling: Spelling) -> str:
    """Finds the release that counts: its number is read once, so that a switch meanwhile changes nothing."""
    return (
        f"MATCH (current:{spelling.own('KindredCurrent')}) WITH current.slot AS slot\n"
        f"MATCH (release:{spelling.own('KindredRelease')} {{slot: slot}})"
    )


def _near_text(spelling: Spelling, examples: Examples, row: str) -> str:
    return (
        f"{_release(spelling)}\n"
        f"CALL db.index.fulltext.queryNodes({_full_text(spelling)}, {literal(examples.text)})\n"
        "YIELD node AS found, score AS words\n"
        "WITH release, found, words\n"
        f"WHERE found:{spelling.label(spelling.item.name)} AND found[release.embedding] IS NOT NULL\n"
        "WITH release, found, words LIMIT 3\n"
        "CALL db.index.vector.queryNodes(release.item_index, 10, found[release.embedding]) YIELD node, score\n"
        f"RETURN {row}, round(max(words * score), 3) AS score ORDER BY score DESC LIMIT 20"
    )


def _full_text(spelling: Spelling) -> str:
    return literal(spelling.names.prefixed("kindred_text"))


def _shown(stored: str, ours: str) -> str:
    """A name as a text of its own; the schema's where the database's holds more than plain signs."""
    return literal(stored if tame(stored) else ours)


def _changed_lately(spelling: Spelling) -> str:
    """The newest rows of each curated type; their numbers lie in the batch that says who wrote them and when."""
    schema, names = spelling.schema, spelling.names
    parts = [
        f"  MATCH (node:{spelling.label(spec.name)}) WHERE node._seq IS NOT NULL\n"
        f"  RETURN node._seq AS number, {_shown(names.plain_label(spec.name), spec.name)} AS what, "
        f"node.{spelling.key(spec.name)} AS id, null AS other {_NEWEST}"
        for spec in schema.nodes
        if spec.role is not NodeRole.USER
    ]
    parts += [
        f"  MATCH (a:{spelling.label(spec.source)})-[r:{spelling.relation(spec.edge_type)}]->"
        f"(b:{spelling.label(spec.target)}) WHERE r._seq IS NOT NULL\n"
        f"  RETURN r._seq AS number, {_shown(names.plain_type(spec.edge_type), spec.relation)} AS what, "
        f"a.{spelling.key(spec.source)} AS id, b.{spelling.key(spec.target)} AS other {_NEWEST}"
        for spec in schema.edges
        if spec.role in _TELLING and schema.user_type not in (spec.source, spec.target)
    ]
    parts.append(
        f"  MATCH (gone:{spelling.own('KindredTombstone')})\n"
        f"  RETURN gone._seq AS number, 'deleted' AS what, gone.record AS id, null AS other {_NEWEST}"
    )
    return (
        "CALL () {\n" + "\n  UNION ALL\n".join(parts) + "\n}\n"
        f"WITH number, what, id, other {_NEWEST}\n"
        f"MATCH (batch:{spelling.own('KindredBatch')}) WHERE batch.first <= number <= batch.last\n"
        "RETURN datetime({epochMillis: batch.at_ms}) AS at, batch.actor AS who, what, id, other ORDER BY number DESC"
    )
