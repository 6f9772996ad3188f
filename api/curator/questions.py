"""Queries that only look: neighbourhoods, similar items, paths, what changed, what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator

from api.curator.examples import Examples
from api.curator.saved import SavedQuery
from api.curator.words import HIDDEN, KEY, PINNED, caption, item_edges, literal, name
from graph.schema import EdgeRole, EdgeSpec, GraphSchema, NodeRole, NodeSpec, PropertyKind

_TELLING = (EdgeRole.ATTRIBUTE, EdgeRole.ITEM_RELATION, EdgeRole.HIERARCHY, EdgeRole.KNOWLEDGE)
_MAX_HOPS = 4


def looking(schema: GraphSchema, examples: Examples) -> Iterator[SavedQuery]:
    """What a curator wants to see of one item, and of the whole graph."""
    item, user = name(schema.item_type), name(schema.user_type)
    spec = schema.node(schema.item_type)
    key = f"{{{KEY}: {literal(examples.item)}}}"
    title = f"coalesce(node.{name(caption(spec))}, node.{KEY})"
    yield SavedQuery(
        "look",
        "How many nodes of each kind",
        "What is in the graph at all.",
        "MATCH (node) WHERE NOT any(label IN labels(node) WHERE label STARTS WITH 'Kindred')\n"
        "RETURN labels(node)[0] AS kind, count(*) AS nodes ORDER BY nodes DESC",
    )
    yield SavedQuery(
        "look",
        "The neighbourhood of an item",
        "An item with its attributes and relations. Put another id in.",
        _neighbourhood(schema, examples),
    )
    yield SavedQuery(
        "look",
        "Find items by their words",
        "Full-text search over the catalogue.",
        f"CALL db.index.fulltext.queryNodes({_full_text(schema)}, {literal(examples.text)}) YIELD node, score\n"
        f"WHERE node:{item}\n"
        f"RETURN node, {title} AS title, round(score, 2) AS score LIMIT 20",
    )
    yield SavedQuery(
        "look",
        "Similar items by vector",
        "The items that the model puts closest. Needs kindred release publish.",
        f"MATCH (release:KindredRelease {{current: true}}), (item:{item} {key})\n"
        "CALL db.index.vector.queryNodes(release.item_index, 11, item[release.embedding]) YIELD node, score\n"
        "WHERE node <> item\n"
        f"RETURN node, {title} AS title, round(score, 3) AS score, release.release AS release",
    )
    yield SavedQuery(
        "look",
        "Items near a text",
        "Items whose words match, and what the model puts close to them. Needs kindred release publish.",
        _near_text(schema, examples, title),
    )
    yield SavedQuery(
        "look",
        "Items for a user by vector",
        "What the model alone would recommend to one user. Needs kindred release publish.",
        f"MATCH (release:KindredRelease {{current: true}}), (user:{user})\n"
        "WHERE user[release.embedding] IS NOT NULL\n"
        "WITH release, user LIMIT 1\n"
        "CALL db.index.vector.queryNodes(release.item_index, 10, user[release.embedding]) YIELD node, score\n"
        f"RETURN user.{KEY} AS user, node, {title} AS title, round(score, 3) AS score",
    )
    yield SavedQuery(
        "look",
        "Learned neighbours of an item",
        "SIMILAR_TO edges of the current release. Needs kindred release publish --similar-to 10.",
        f"MATCH (release:KindredRelease {{current: true}})\n"
        f"MATCH path = (:{item} {key})-[:SIMILAR_TO {{release: release.release}}]->(:{item})\n"
        "RETURN path",
    )
    yield SavedQuery(
        "look",
        "Why two items are related",
        "The shortest paths between two items; those through busy nodes, which say little, come last.",
        _why_related(schema, examples),
    )
    yield SavedQuery(
        "look",
        "What changed lately",
        "The newest rows of the curated part, who wrote them and when; browser stands for an edit by hand.",
        _changed_lately(schema),
    )


def _neighbourhood(schema: GraphSchema, examples: Examples) -> str:
    item = name(schema.item_type)
    relations = "|".join(dict.fromkeys(name(spec.relation) for spec in schema.edges if spec.role in _TELLING))
    edge = f"[:{relations}]" if relations else "[]"
    return f"MATCH path = (:{item} {{{KEY}: {literal(examples.item)}}})-{edge}-()\nRETURN path LIMIT 100"


def _why_related(schema: GraphSchema, examples: Examples) -> str:
    item = name(schema.item_type)
    roles = {*_TELLING, EdgeRole.INTERACTION}
    relations = "|".join(
        dict.fromkeys(name(spec.relation) for spec in schema.edges if spec.role in roles and not spec.holdout)
    )
    return (
        f"MATCH (a:{item} {{{KEY}: {literal(examples.item)}}}), (b:{item} {{{KEY}: {literal(examples.other_item)}}})\n"
        f"MATCH path = SHORTEST 20 (a)-[:{relations}]-{{1,{_MAX_HOPS}}}(b)\n"
        "WITH path, reduce(busy = 0.0, node IN nodes(path)[1..-1] | busy + log(1 + COUNT { (node)--() })) AS busy\n"
        "RETURN path ORDER BY length(path), busy LIMIT 5"
    )


def _near_text(schema: GraphSchema, examples: Examples, title: str) -> str:
    return (
        "MATCH (release:KindredRelease {current: true})\n"
        f"CALL db.index.fulltext.queryNodes({_full_text(schema)}, {literal(examples.text)})\n"
        "YIELD node AS found, score AS words\n"
        f"WITH release, found, words\nWHERE found:{name(schema.item_type)} AND found[release.embedding] IS NOT NULL\n"
        "WITH release, found, words LIMIT 3\n"
        "CALL db.index.vector.queryNodes(release.item_index, 10, found[release.embedding]) YIELD node, score\n"
        f"RETURN node, {title} AS title, round(max(words * score), 3) AS score ORDER BY score DESC LIMIT 20"
    )


def _full_text(schema: GraphSchema) -> str:
    return '"kindred_text"'


def _changed_lately(schema: GraphSchema) -> str:
    """The newest rows of each curated type; their numbers lie in the batch that says who wrote them and when."""
    parts = [
        f"  MATCH (node:{name(spec.name)}) WHERE node._seq IS NOT NULL\n"
        f"  RETURN node._seq AS number, '{spec.name}' AS what, node.{KEY} AS id, null AS other "
        "ORDER BY number DESC LIMIT 25"
        for spec in schema.nodes
        if spec.role is not NodeRole.USER
    ]
    parts += [
        f"  MATCH (a:{name(spec.source)})-[r:{name(spec.relation)}]->(b:{name(spec.target)}) WHERE r._seq IS NOT NULL\n"
        f"  RETURN r._seq AS number, '{spec.relation}' AS what, a.{KEY} AS id, b.{KEY} AS other "
        "ORDER BY number DESC LIMIT 25"
        for spec in schema.edges
        if spec.role in _TELLING and schema.user_type not in (spec.source, spec.target)
    ]
    parts.append(
        "  MATCH (gone:KindredTombstone)\n"
        "  RETURN gone._seq AS number, 'deleted' AS what, gone.record AS id, null AS other "
        "ORDER BY number DESC LIMIT 25"
    )
    return (
        "CALL () {\n" + "\n  UNION ALL\n".join(parts) + "\n}\n"
        "WITH number, what, id, other ORDER BY number DESC LIMIT 25\n"
        "MATCH (batch:KindredBatch) WHERE batch.first <= number <= batch.last\n"
        "RETURN datetime({epochMillis: batch.at_ms}) AS at, batch.actor AS who, what, id, other ORDER BY number DESC"
    )


def suspicious(schema: GraphSchema) -> Iterator[SavedQuery]:
    """Orphans, duplicates, and what is missing or spelled in two ways."""
    for spec in schema.nodes:
        if spec.role is not NodeRole.USER and spec.title and spec.properties[spec.title] is PropertyKind.STRING:
            yield _same_name(spec, schema)
    for edge in item_edges(schema, EdgeRole.ATTRIBUTE):
        yield _without(edge, schema)
    yield SavedQuery(
        "check",
        "Orphans",
        "Nodes without any relation: nothing can lead to them.",
        "MATCH (node) WHERE NOT (node)--() AND NOT any(label IN labels(node) WHERE label STARTS WITH 'Kindred')\n"
        "RETURN node LIMIT 50",
    )
    yield SavedQuery(
        "check",
        "Nodes without an id",
        f"Made by hand and not finished: without the property {KEY} a node takes no part.",
        f"MATCH (node) WHERE node.{KEY} IS NULL AND NOT any(label IN labels(node) WHERE label STARTS WITH 'Kindred')\n"
        "RETURN node LIMIT 50",
    )
    item = schema.node(schema.item_type)
    yield SavedQuery(
        "check",
        "Hidden and pinned items",
        "What curators took out of answers, or put at the top.",
        f"MATCH (item:{name(item.name)}) WHERE item.{HIDDEN} OR item.{PINNED}\n"
        f"RETURN item.{KEY} AS id, item.{name(caption(item))} AS title, item.{HIDDEN} AS hidden, "
        f"item.{PINNED} AS pinned LIMIT 100",
    )


def _same_name(spec: NodeSpec, schema: GraphSchema) -> SavedQuery:
    label, title = name(spec.name), name(caption(spec))
    of_items = spec.name == schema.item_type
    return SavedQuery(
        "check",
        f"{spec.name} duplicates" if of_items else f"{spec.name} names that differ by case or spaces",
        "The same name twice." if of_items else "One thing under two spellings splits its items.",
        f"MATCH (node:{label}) WHERE node.{title} IS NOT NULL\n"
        f"WITH toLower(replace(trim(node.{title}), '  ', ' ')) AS spelling, collect(node) AS nodes\n"
        "WHERE size(nodes) > 1\n"
        f"RETURN spelling, [node IN nodes | node.{KEY}] AS ids, [node IN nodes | node.{title}] AS written\n"
        "ORDER BY size(nodes) DESC LIMIT 50",
    )


def _without(edge: EdgeSpec, schema: GraphSchema) -> SavedQuery:
    item = schema.node(schema.item_type)
    return SavedQuery(
        "check",
        f"{item.name}s without {edge.relation}",
        f"Items that no {edge.target} leads to.",
        f"MATCH (item:{name(item.name)}) WHERE NOT (item)-[:{name(edge.relation)}]->(:{name(edge.target)})\n"
        f"RETURN item.{KEY} AS id, item.{name(caption(item))} AS title LIMIT 50",
    )
