"""Sampled neighbourhoods of items, renumbered and ready to propagate on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import ITEM
from gnn.propagation.pyg import HeteroData, NodeSamplerInput
from gnn.propagation.sampler import NumpyNeighborSampler, neighbor_sampler
from graph.schema import EdgeType


@dataclass(frozen=True)
class Neighborhood:
    """``items`` are the item indices in it, the seeds first; the adjacencies number nodes by position."""

    items: npt.NDArray[np.int64]
    adjacencies: dict[EdgeType, Adjacency]


class Neighborhoods:
    """Draws the neighbourhoods that a step needs."""

    def __init__(
        self, graph: HeteroData, edge_types: list[EdgeType], num_neighbors: list[int], device: torch.device
    ) -> None:
        self._sampler = neighbor_sampler(graph, num_neighbors)
        self._edge_types = edge_types
        self._device = device

    def around(self, items: npt.NDArray[np.int64], seed: int) -> Neighborhood:
        """The neighbourhood of distinct items; with the numpy sampler the same seed draws the same one."""
        if isinstance(self._sampler, NumpyNeighborSampler):
            self._sampler.reseed(seed)
        drawn = self._sampler.sample_from_nodes(NodeSamplerInput(None, torch.from_numpy(items), input_type=ITEM))
        size = {name: int(nodes.numel()) for name, nodes in drawn.node.items()}
        adjacencies = {}
        for edge_type in self._edge_types:
            source, _, target = edge_type
            row, column = drawn.row[edge_type].numpy(), drawn.col[edge_type].numpy()
            shape = (size.get(target, 0), size.get(source, 0))
            matrix = sp.csr_array(sp.coo_array((np.ones(row.size, np.float32), (column, row)), shape=shape))
            adjacencies[edge_type] = Adjacency.mean(matrix, self._device)
        return Neighborhood(drawn.node[ITEM].numpy(), adjacencies)
