"""The neighbour sampler: real edges only, no more than asked, seeds first; PyG's loader can drive it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnn.propagation.hetero import INTERACTS, ITEM, USER, hetero_data, incidence
from gnn.propagation.pyg import EdgeSamplerInput, HeteroData, NegativeSampling, NodeSamplerInput
from gnn.propagation.sampler import NumpyNeighborSampler, neighbor_sampler

SEEDS = torch.tensor([7, 3, 20])


@pytest.fixture
def graph(checkerboard) -> HeteroData:
    return hetero_data(checkerboard.data)


def sampled(graph: HeteroData, num_neighbors: list[int], seed: int = 1):
    sampler = NumpyNeighborSampler(graph, num_neighbors, seed=seed)
    return sampler.sample_from_nodes(NodeSamplerInput(None, SEEDS, input_type=ITEM))


def global_edges(drawn, edge_type) -> list[tuple[int, int]]:
    source, _, target = edge_type
    rows = drawn.node[source][drawn.row[edge_type]].tolist()
    columns = drawn.node[target][drawn.col[edge_type]].tolist()
    return list(zip(rows, columns, strict=True))


@pytest.mark.parametrize("num_neighbors", [[2], [3, 2], [100, 1, 2]])
def test_sampled_edges_are_edges_of_the_graph_each_once(num_neighbors, graph) -> None:
    drawn = sampled(graph, num_neighbors)
    for edge_type in graph.edge_types:
        real = set(map(tuple, graph[edge_type].edge_index.T.tolist()))
        found = global_edges(drawn, edge_type)
        assert set(found) <= real
        assert len(found) == len(set(found))


@pytest.mark.parametrize("limit", [0, 1, 4, 1000, -1])
def test_a_node_gets_at_most_the_neighbours_asked_for_and_all_it_has_below(limit, graph) -> None:
    drawn = sampled(graph, [limit])
    for edge_type in graph.edge_types:
        if edge_type[2] != ITEM:
            continue
        degree = np.diff(incidence(graph, edge_type).indptr)[SEEDS.numpy()]
        expected = degree if limit < 0 else np.minimum(degree, limit)
        found = np.bincount(drawn.col[edge_type].numpy(), minlength=3)[:3]
        np.testing.assert_array_equal(found, expected)


def test_seeds_come_first_and_no_node_comes_twice(graph) -> None:
    drawn = sampled(graph, [5, 5])
    assert drawn.node[ITEM][:3].tolist() == SEEDS.tolist()
    for name, nodes in drawn.node.items():
        assert len(nodes) == len(set(nodes.tolist()))
        assert sum(drawn.num_sampled_nodes[name]) == len(nodes)


def test_the_seed_decides_what_is_drawn(graph) -> None:
    edge_type = (USER, INTERACTS, ITEM)
    first, again, other = (sampled(graph, [3], seed=seed) for seed in (1, 1, 2))
    assert global_edges(first, edge_type) == global_edges(again, edge_type)
    assert global_edges(first, edge_type) != global_edges(other, edge_type)


def test_neighbours_are_drawn_evenly(graph) -> None:
    edge_type = (USER, INTERACTS, ITEM)
    sampler = NumpyNeighborSampler(graph, [1], seed=3)
    users = np.flatnonzero(incidence(graph, edge_type).toarray()[7])
    count = dict.fromkeys(users.tolist(), 0)
    draws = 100 * users.size
    for _ in range(draws):
        drawn = sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor([7]), input_type=ITEM))
        count[int(drawn.node[USER][0])] += 1
    expected = draws / users.size
    assert sum((found - expected) ** 2 / expected for found in count.values()) < 2.5 * users.size


def test_edges_are_seeds_with_both_their_ends(graph) -> None:
    edge_type = (USER, INTERACTS, ITEM)
    rows, columns = graph[edge_type].edge_index[:, [4, 9, 4]]
    sampler = NumpyNeighborSampler(graph, [2])
    drawn = sampler.sample_from_edges(EdgeSamplerInput(None, rows, columns, input_type=edge_type))
    ends = drawn.metadata[1]
    assert drawn.node[USER][ends[0]].tolist() == rows.tolist()
    assert drawn.node[ITEM][ends[1]].tolist() == columns.tolist()
    with pytest.raises(ValueError, match="belongs to the loss"):
        sampler.sample_from_edges(
            EdgeSamplerInput(None, rows, columns, input_type=edge_type), NegativeSampling("binary")
        )


def test_pyg_s_loader_drives_it(graph) -> None:
    from torch_geometric.loader import NodeLoader

    sampler = neighbor_sampler(graph, [3, 3])
    loader = NodeLoader(graph, sampler, input_nodes=(ITEM, SEEDS), batch_size=2)
    batches = list(loader)
    assert [batch[ITEM].batch_size for batch in batches] == [2, 1]
    torch.testing.assert_close(batches[0][ITEM].x, graph[ITEM].x[batches[0][ITEM].n_id])
