"""What every graph has for the people who look after it: marks on items, a relation, the part they edit."""

from __future__ import annotations

from collections.abc import Collection

from graph.schema import HIDDEN, EdgeRole, EdgeSpec, GraphSchema, NodeRole, NodeSpec, PropertyKind

PINNED = "pinned"
"""The boolean item property that a promotion rule may look at: see docs/curators.md."""
COMPLEMENTS = "COMPLEMENTS"
"""The relation by which people join two items; shown and explained, not learned from."""


def curated(schema: GraphSchema, taken: Collection[str] = ()) -> GraphSchema:
    """The schema with ``hidden``, ``pinned`` and ``COMPLEMENTS``, each unless it has one or the name is ``taken``."""
    item = schema.node(schema.item_type)
    marks = {name: PropertyKind.BOOLEAN for name in (HIDDEN, PINNED) if name not in {*item.properties, *taken}}
    marked = item.model_copy(update={"properties": {**item.properties, **marks}})
    edges = list(schema.edges)
    if COMPLEMENTS not in {*taken, *(edge.relation for edge in edges)}:
        edges.append(
            EdgeSpec(
                source=item.name,
                relation=COMPLEMENTS,
                target=item.name,
                role=EdgeRole.ITEM_RELATION,
                learn=False,
                words="goes well with",
            )
        )
    return GraphSchema(
        nodes=tuple(marked if node.name == item.name else node for node in schema.nodes), edges=tuple(edges)
    )


def curated_nodes(schema: GraphSchema) -> list[NodeSpec]:
    """Node types that people edit."""
    return [spec for spec in schema.nodes if spec.role is not NodeRole.USER]


def curated_edges(schema: GraphSchema) -> list[EdgeSpec]:
    """Edge types that people edit: not behaviour, nor what an ingest computes from it."""
    behaviour = (EdgeRole.INTERACTION, EdgeRole.SOCIAL)
    return [
        spec
        for spec in schema.edges
        if spec.role not in behaviour and not spec.derived and schema.user_type not in (spec.source, spec.target)
    ]


def is_imported(edge: EdgeSpec) -> bool:
    """Whether a relation of two items comes with data or from behaviour, and not from a person who meant it."""
    return edge.role is EdgeRole.ITEM_RELATION and not edge.learn and edge.relation != COMPLEMENTS
