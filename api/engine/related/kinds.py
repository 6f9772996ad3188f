"""What tells the kinds of related items apart: the same need, another need of the same basket, another category."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from api.engine.connections import Block, Connections
from api.engine.contributions import SourceScores
from api.engine.filters.names import parents_of
from api.engine.filters.values import Mask
from api.engine.related.similar import similar_scores
from gnn.data.histories import FloatArray, Histories
from gnn.operators import Operator
from graph.schema import EdgeRole, GraphSchema
from graph.view import GraphView

CURATED = 10.0
"""What a curated complement scores: more than any basket says."""
OTHER_NEED = 4
"""The power of ``1 - likeness``. Chosen with the damping of baskets, on the month before the test of one shop."""
_CATEGORY_WORDS = ("CATEGORY", "DEPARTMENT", "CLASS", "GENRE", "AISLE", "TYPE")
_COMPLEMENT_WORDS = ("COMPLEMENT", "ACCESSOR", "GOES_WITH")


def same_need(connections: Connections, text: Operator | None, item_index: int) -> FloatArray:
    """How far each item meets the same need: the larger of the likeness of attributes and of text, 0 to 1. Shape (I,).

    Attributes are compared by cosine, rare ones counting more.
    """
    weight = sp.csr_array(connections.matrix)
    squared = np.asarray(weight @ (connections.attribute_rarity**2)).ravel()
    own = connections.of_item(item_index)
    mine = np.zeros(connections.rarity.size, np.float32)
    mine[own] = connections.attribute_rarity[own] ** 2
    length = np.sqrt(np.maximum(squared * squared[item_index], 1e-12))
    alike = np.asarray(weight @ mine).ravel() / length
    if text is not None:
        one = Histories.of([[item_index]], alike.size).last()
        alike = np.maximum(alike, text.score(one)[0])
    return np.asarray(np.clip(alike, 0.0, 1.0), np.float32)


def complementary_scores(baskets: FloatArray, alike: FloatArray, curated: Mask) -> SourceScores:
    """What is bought with an item and meets another need: ``baskets * (1 - likeness) ** OTHER_NEED``, curated
    ones first.

    Shapes: (I,) each.
    """
    bought = np.asarray(baskets * (1.0 - alike) ** OTHER_NEED, np.float32)
    if not curated.any():
        return SourceScores(("baskets",), bought[None, :])
    return SourceScores(
        ("baskets", "relations"), np.stack([bought, np.where(curated, np.float32(CURATED), np.float32(0.0))])
    )


def behaviour_scores(
    operators: Mapping[str, Operator], families: Mapping[str, str], item_index: int, num_items: int
) -> SourceScores:
    """What behaviour alone says goes with an item, whatever it is."""
    return similar_scores(operators, families, item_index, num_items, content=False)


def curated_complements(view: GraphView, item_index: int) -> Mask:
    """Items that a curator joined to this one as its complements, either way. Shape (I,)."""
    fits = np.zeros(view.num_nodes(view.schema.item_type), bool)
    for spec in view.schema.edges_with(EdgeRole.ITEM_RELATION):
        if any(word in spec.relation for word in _COMPLEMENT_WORDS):
            fits[view.ends(spec.edge_type, item_index, "out")] = True
            fits[view.ends(spec.edge_type, item_index, "in")] = True
    return fits


def of_other_category(schema: GraphSchema, connections: Connections, item_index: int) -> Mask:
    """Items that share no category with this one; where the graph has no categories, no attribute. Shape (I,)."""
    blocks = category_blocks(schema, connections) or [b for b in connections.blocks if not b.relates_items]
    own = [
        column
        for column in connections.of_item(item_index).tolist()
        if any(block.start <= column < block.start + block.width for block in blocks)
    ]
    mine = np.zeros(connections.rarity.size, np.float32)
    mine[own] = 1.0
    other = np.asarray(connections.matrix @ mine).ravel() == 0
    other[item_index] = False
    return np.asarray(other)


def category_blocks(schema: GraphSchema, connections: Connections) -> list[Block]:
    """Where categories stand among an item's connections: node types with a hierarchy, else what is named so."""
    outward = [block for block in connections.blocks if block.spec.role is EdgeRole.ATTRIBUTE]
    ranked = [block for block in outward if parents_of(schema, block.node_type)]
    return ranked or [block for block in outward if any(word in block.spec.relation for word in _CATEGORY_WORDS)]
