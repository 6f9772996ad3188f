"""The training graph as HeteroData: every edge both ways, nothing that cannot be learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from gnn.data import ItemKnowledge
from gnn.propagation.hetero import INTERACTS, ITEM, USER, hetero_data, incidence, reverse


def test_the_checkerboard_becomes_users_items_colours_and_relations(checkerboard) -> None:
    graph = hetero_data(checkerboard.data)
    assert set(graph.node_types) == {USER, ITEM, "Colour"}
    kinds = [(USER, INTERACTS, ITEM), (ITEM, "HAS_COLOUR", "Colour"), (ITEM, "GOES_WITH", ITEM)]
    assert set(graph.edge_types) == {*kinds, *map(reverse, kinds)}
    assert graph.validate()
    np.testing.assert_array_equal(
        incidence(graph, (USER, INTERACTS, ITEM)).toarray(), checkerboard.data.train.matrix().toarray().T
    )
    np.testing.assert_array_equal(graph[ITEM].x.numpy(), checkerboard.data.knowledge.text)


def test_reverse_edges_are_the_same_edges(checkerboard) -> None:
    graph = hetero_data(checkerboard.data)
    for kind in ((USER, INTERACTS, ITEM), (ITEM, "HAS_COLOUR", "Colour")):
        np.testing.assert_array_equal(incidence(graph, kind).toarray(), incidence(graph, reverse(kind)).toarray().T)


def test_attributes_of_too_few_items_are_left_out_counted_over_all_relations(checkerboard) -> None:
    one = sp.csr_array(np.eye(26, 4, dtype=np.float32))
    two = sp.csr_array(np.roll(np.eye(26, 4, dtype=np.float32), 5, axis=0) * [1, 0, 1, 0])
    knowledge = ItemKnowledge({("Item", "MADE_BY", "Maker"): one, ("Item", "SOLD_BY", "Maker"): two})
    graph = hetero_data(replace(checkerboard.data, knowledge=knowledge), min_attribute_items=2)
    assert graph["Maker"].node_index.tolist() == [0, 2]
    np.testing.assert_array_equal(incidence(graph, (ITEM, "MADE_BY", "Maker")).toarray(), one.toarray()[:, [0, 2]].T)


def test_empty_knowledge_leaves_users_and_items(checkerboard) -> None:
    empty = ItemKnowledge({("Item", "HAS_COLOUR", "Colour"): sp.csr_array((26, 3), dtype=np.float32)})
    graph = hetero_data(replace(checkerboard.data, knowledge=empty))
    assert graph.node_types == [USER, ITEM]


def test_an_attribute_type_called_user_is_kept_apart_from_users(checkerboard) -> None:
    sold_by = sp.csr_array(np.eye(2, dtype=np.float32)[np.arange(26) % 2])
    knowledge = ItemKnowledge({("item", "SOLD_BY", "user"): sold_by})
    graph = hetero_data(replace(checkerboard.data, knowledge=knowledge))
    assert graph[USER].num_nodes == 60
    assert graph["user_attribute"].num_nodes == 2
