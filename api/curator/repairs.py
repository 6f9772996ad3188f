"""Queries that edit: each repairs one thing, and the next answer shows it."""

from __future__ import annotations

from collections.abc import Iterator

from api.curator.examples import Examples
from api.curator.saved import SavedQuery
from api.curator.spelling import Spelling
from graph.curation import PINNED
from graph.schema import HIDDEN, EdgeRole, EdgeSpec

WRONG_ID, DUPLICATE_ID = "WRONG ID", "DUPLICATE ID"
"""What a curator replaces by the id of the attribute that goes."""


def repairs(spelling: Spelling, examples: Examples) -> Iterator[SavedQuery]:
    """Edits of one item, its attributes and its relations."""
    spec = spelling.item
    item = spelling.node("item", spec.name, examples.item)
    for edge in spelling.item_edges(EdgeRole.ATTRIBUTE):
        yield _reattached(edge, spelling, examples)
        yield _merged(edge, spelling, examples)
    for edge in spelling.item_edges(EdgeRole.ITEM_RELATION):
        if edge.target == spec.name:
            yield from _related(edge, spelling, examples)
    if hidden := spelling.mark(HIDDEN):
        yield _edit("Hide an item", "It leaves every answer.", f"MATCH {item}\nSET item.{hidden} = true\nRETURN item")
        yield _edit("Show it again", "It may be recommended again.", f"MATCH {item}\nREMOVE item.{hidden}\nRETURN item")
    if pinned := spelling.mark(PINNED):
        yield _edit(
            "Pin an item",
            "The promotion rule puts it at the top of lists; the slide says which rule.",
            f"MATCH {item}\nSET item.{pinned} = true\nRETURN item",
        )
        yield _edit("Unpin it", "It is ranked like any other.", f"MATCH {item}\nREMOVE item.{pinned}\nRETURN item")
    if spec.title is not None:
        title = spelling.caption(spec.name)
        yield _edit(
            "Correct a title",
            "Titles stand in answers and reasons.",
            f"MATCH {item}\nSET item.{title} = trim(item.{title})\nRETURN item",
        )


def _edit(title: str, purpose: str, text: str) -> SavedQuery:
    return SavedQuery("repair", title, purpose, text, writes=True)


def _shown(edge: EdgeSpec, spelling: Spelling) -> tuple[str, str]:
    """The attribute's label and the relation, as people read them."""
    return spelling.names.plain_label(edge.target), spelling.names.plain_type(edge.edge_type)


def _reattached(edge: EdgeSpec, spelling: Spelling, examples: Examples) -> SavedQuery:
    """Where an item has one of them the one that stands there goes; where it may have several, only the named one."""
    relation = spelling.relation(edge.edge_type)
    shown, shown_relation = _shown(edge, spelling)
    single = edge.edge_type in examples.one_each
    other = f"(:{spelling.label(edge.target)})" if single else spelling.node("", edge.target, WRONG_ID)
    return _edit(
        f"Correct an item's {shown} ({shown_relation})",
        f"Takes away what stands there and joins the item to the right {shown}."
        if single
        else f"Takes the wrong {shown} away, leaves the others, and joins the item to the right one. Put the ids in.",
        f"MATCH {spelling.node('item', spelling.item.name, examples.item)}\n"
        f"MATCH {spelling.node('right', edge.target, examples.attribute(edge.edge_type))}\n"
        f"OPTIONAL MATCH (item)-[wrong:{relation}]->{other} WHERE endNode(wrong) <> right\n"
        "DELETE wrong\n"
        f"MERGE path = (item)-[:{relation}]->(right)\n"
        "RETURN DISTINCT path",
    )


def _merged(edge: EdgeSpec, spelling: Spelling, examples: Examples) -> SavedQuery:
    """Moves every relation of a duplicate attribute to the one that stays."""
    keep = spelling.node("keep", edge.target, examples.attribute(edge.edge_type))
    gone = spelling.node("gone", edge.target, DUPLICATE_ID)
    shown, shown_relation = _shown(edge, spelling)
    moves = []
    for spec in spelling.schema.edges:
        relation = spelling.relation(spec.edge_type)
        if spec.target == edge.target:
            moves.append(
                f"CALL (gone, keep) {{ MATCH (near:{spelling.label(spec.source)})-[:{relation}]->(gone) "
                f"WHERE near <> keep\n  MERGE (near)-[:{relation}]->(keep) }}"
            )
        if spec.source == edge.target:
            moves.append(
                f"CALL (gone, keep) {{ MATCH (gone)-[:{relation}]->(near:{spelling.label(spec.target)}) "
                f"WHERE near <> keep\n  MERGE (keep)-[:{relation}]->(near) }}"
            )
    return _edit(
        f"Merge a duplicate {shown} ({shown_relation})",
        "Everything at the duplicate moves to the one that stays; the duplicate goes. Put both ids in.",
        f"MATCH {keep}\nMATCH {gone} WHERE keep <> gone\n" + "\n".join(moves) + "\nDETACH DELETE gone\nRETURN keep",
    )


def _related(edge: EdgeSpec, spelling: Spelling, examples: Examples) -> Iterator[SavedQuery]:
    item, relation = spelling.item.name, spelling.relation(edge.edge_type)
    shown = spelling.names.plain_type(edge.edge_type)
    pair = f"{spelling.node('item', item, examples.item)}\nMATCH {spelling.node('other', item, examples.other_item)}"
    yield _edit(
        f"Add the relation {shown}",
        "Says by hand that two items belong together; it becomes a reason in answers.",
        f"MATCH {pair}\nMERGE path = (item)-[:{relation}]->(other)\nRETURN path",
    )
    yield _edit(
        f"Take the relation {shown} away",
        "The reason never appears again.",
        f"MATCH {pair}\nMATCH (item)-[wrong:{relation}]->(other)\nDELETE wrong\nRETURN item, other",
    )
