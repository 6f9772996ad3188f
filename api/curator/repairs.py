"""Queries that edit: each repairs one thing, and the next answer shows it."""

from __future__ import annotations

from collections.abc import Iterator

from api.curator.examples import Examples
from api.curator.saved import SavedQuery
from api.curator.words import HIDDEN, KEY, PINNED, caption, item_edges, literal, name
from graph.schema import EdgeRole, EdgeSpec, GraphSchema


def repairs(schema: GraphSchema, examples: Examples) -> Iterator[SavedQuery]:
    """Edits of one item, its attributes and its relations."""
    item = f"(item:{name(schema.item_type)} {{{KEY}: {literal(examples.item)}}})"
    for edge in item_edges(schema, EdgeRole.ATTRIBUTE):
        yield _reattached(edge, schema, examples)
        yield _merged(edge, schema, examples)
    for edge in item_edges(schema, EdgeRole.ITEM_RELATION):
        if edge.target == schema.item_type:
            yield from _related(edge, schema, examples)
    yield _edit("Hide an item", "It leaves every answer.", f"MATCH {item}\nSET item.{HIDDEN} = true\nRETURN item")
    yield _edit("Show it again", "It may be recommended again.", f"MATCH {item}\nREMOVE item.{HIDDEN}\nRETURN item")
    yield _edit(
        "Pin an item",
        "The promotion rule puts it at the top of lists; the slide says which rule.",
        f"MATCH {item}\nSET item.{PINNED} = true\nRETURN item",
    )
    yield _edit("Unpin it", "It is ranked like any other.", f"MATCH {item}\nREMOVE item.{PINNED}\nRETURN item")
    spec = schema.node(schema.item_type)
    if spec.title is not None:
        yield _edit(
            "Correct a title",
            "Titles stand in answers and reasons.",
            f"MATCH {item}\nSET item.{name(caption(spec))} = trim(item.{name(caption(spec))})\nRETURN item",
        )


def _edit(title: str, purpose: str, text: str) -> SavedQuery:
    return SavedQuery("repair", title, purpose, text, writes=True)


def _reattached(edge: EdgeSpec, schema: GraphSchema, examples: Examples) -> SavedQuery:
    item, target, relation = name(schema.item_type), name(edge.target), name(edge.relation)
    return _edit(
        f"Correct an item's {edge.target} ({edge.relation})",
        f"Takes away what stands there and joins the item to the right {edge.target}.",
        f"MATCH (item:{item} {{{KEY}: {literal(examples.item)}}}), "
        f"(right:{target} {{{KEY}: {literal(examples.attribute(edge.edge_type))}}})\n"
        f"OPTIONAL MATCH (item)-[wrong:{relation}]->(other:{target}) WHERE other <> right\n"
        "DELETE wrong\n"
        f"MERGE path = (item)-[:{relation}]->(right)\n"
        "RETURN DISTINCT path",
    )


def _merged(edge: EdgeSpec, schema: GraphSchema, examples: Examples) -> SavedQuery:
    """Moves every relation of a duplicate attribute to the one that stays."""
    target, keep = name(edge.target), literal(examples.attribute(edge.edge_type))
    moves = []
    for spec in schema.edges:
        relation = name(spec.relation)
        if spec.target == edge.target:
            moves.append(
                f"CALL (gone, keep) {{ MATCH (near:{name(spec.source)})-[:{relation}]->(gone) WHERE near <> keep\n"
                f"  MERGE (near)-[:{relation}]->(keep) }}"
            )
        if spec.source == edge.target:
            moves.append(
                f"CALL (gone, keep) {{ MATCH (gone)-[:{relation}]->(near:{name(spec.target)}) WHERE near <> keep\n"
                f"  MERGE (keep)-[:{relation}]->(near) }}"
            )
    return _edit(
        f"Merge a duplicate {edge.target} ({edge.relation})",
        "Everything at the duplicate moves to the one that stays; the duplicate goes. Put both ids in.",
        f'MATCH (keep:{target} {{{KEY}: {keep}}}), (gone:{target} {{{KEY}: "DUPLICATE ID"}})\n'
        "WHERE keep <> gone\n" + "\n".join(moves) + "\nDETACH DELETE gone\nRETURN keep",
    )


def _related(edge: EdgeSpec, schema: GraphSchema, examples: Examples) -> Iterator[SavedQuery]:
    item, relation = name(schema.item_type), name(edge.relation)
    pair = (
        f"(item:{item} {{{KEY}: {literal(examples.item)}}}), (other:{item} {{{KEY}: {literal(examples.other_item)}}})"
    )
    yield _edit(
        f"Add the relation {edge.relation}",
        "Says by hand that two items belong together; it becomes a reason in answers.",
        f"MATCH {pair}\nMERGE path = (item)-[:{relation}]->(other)\nRETURN path",
    )
    yield _edit(
        f"Take the relation {edge.relation} away",
        "The reason never appears again.",
        f"MATCH {pair}\nMATCH (item)-[wrong:{relation}]->(other)\nDELETE wrong\nRETURN item, other",
    )
