"""A neighbour sampler in numpy behind PyG's interface, for graphs too large to propagate whole.

PyG's own needs pyg-lib, which has no wheels on PyPI; :func:`neighbor_sampler` uses it where it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from gnn.propagation.hetero import incidence
from gnn.propagation.pyg import (
    WITH_PYG_LIB,
    BaseSampler,
    EdgeSamplerInput,
    HeteroData,
    HeteroSamplerOutput,
    NegativeSampling,
    NeighborSampler,
    NodeSamplerInput,
)
from graph.schema import EdgeType

Index = npt.NDArray[np.int64]


def neighbor_sampler(graph: HeteroData, num_neighbors: list[int], *, seed: int = 42) -> BaseSampler:
    """The fastest sampler that is installed."""
    if WITH_PYG_LIB:
        return NeighborSampler(graph, num_neighbors)
    return NumpyNeighborSampler(graph, num_neighbors, seed=seed)


class NumpyNeighborSampler(BaseSampler):  # type: ignore[misc]  # PyG has no types
    """Samples up to ``num_neighbors[hop]`` distinct in-neighbours per node and edge type, hop by hop.

    Seeds come first in their node type, in the order given; every node occurs once.

    Reference: Hamilton, Ying & Leskovec, "Inductive representation learning on large graphs", 2017, algorithm 2.
    """

    def __init__(self, graph: HeteroData, num_neighbors: list[int], *, seed: int = 42) -> None:
        self.num_neighbors = list(num_neighbors)
        self._rng = np.random.default_rng(seed)
        self._num_nodes: dict[str, int] = {name: int(graph[name].num_nodes) for name in graph.node_types}
        self._rows: dict[EdgeType, tuple[Index, Index]] = {}
        for edge_type in graph.edge_types:
            matrix = incidence(graph, edge_type)
            self._rows[edge_type] = (matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))

    def reseed(self, seed: int) -> None:
        """Makes the next samples depend on ``seed`` alone."""
        self._rng = np.random.default_rng(seed)

    def sample_from_nodes(self, index: NodeSamplerInput, **_: object) -> HeteroSamplerOutput:
        return self._sample({index.input_type: index.node.numpy()}, (index.input_id, index.time))

    def sample_from_edges(
        self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> HeteroSamplerOutput:
        """The neighbourhood of both ends of the edges; ``metadata`` says where they are in it.

        Raises:
            ValueError: for negative sampling, which here belongs to the loss.
        """
        if neg_sampling is not None:
            raise ValueError("negative sampling belongs to the loss: expected neg_sampling=None")
        source, _, target = index.input_type
        rows, columns = index.row.numpy(), index.col.numpy()
        if source == target:
            both, at = np.unique(np.concatenate([rows, columns]), return_inverse=True)
            seeds, ends = {source: both}, (at[: rows.size], at[rows.size :])
        else:
            first, at_first = np.unique(rows, return_inverse=True)
            second, at_second = np.unique(columns, return_inverse=True)
            seeds, ends = {source: first, target: second}, (at_first, at_second)
        label_index = torch.from_numpy(np.stack(ends).astype(np.int64))
        return self._sample(seeds, (index.input_id, label_index, index.label, index.time))

    def _sample(self, seeds: Mapping[str, Index], metadata: tuple[object, ...]) -> HeteroSamplerOutput:
        found = {name: _Found(size) for name, size in self._num_nodes.items()}
        for name, nodes in seeds.items():
            found[name].add(nodes)
        edges: dict[EdgeType, list[tuple[Index, Index]]] = {edge_type: [] for edge_type in self._rows}
        nodes_per_hop = {name: [found[name].size] for name in found}
        edges_per_hop: dict[EdgeType, list[int]] = {edge_type: [] for edge_type in self._rows}
        frontier = {name: part.nodes() for name, part in found.items()}
        for limit in self.num_neighbors:
            before = {name: part.size for name, part in found.items()}
            for edge_type, rows in self._rows.items():
                source, _, target = edge_type
                into, neighbors = _draw(rows, frontier[target], limit, self._rng)
                found[source].add(neighbors)
                edges[edge_type].append((found[source].positions(neighbors), found[target].positions(into)))
                edges_per_hop[edge_type].append(neighbors.size)
            frontier = {name: part.nodes()[before[name] :] for name, part in found.items()}
            for name, nodes in frontier.items():
                nodes_per_hop[name].append(nodes.size)
        return HeteroSamplerOutput(
            node={name: torch.from_numpy(part.nodes()) for name, part in found.items()},
            row={kind: torch.from_numpy(np.concatenate([row for row, _ in parts])) for kind, parts in edges.items()},
            col={kind: torch.from_numpy(np.concatenate([col for _, col in parts])) for kind, parts in edges.items()},
            edge=dict.fromkeys(edges),
            num_sampled_nodes=nodes_per_hop,
            num_sampled_edges=edges_per_hop,
            metadata=metadata,
        )


class _Found:
    """Nodes of one type in the order they were found, and where each stands."""

    def __init__(self, num_nodes: int) -> None:
        self._position = np.full(num_nodes, -1, np.int64)
        self._parts: list[Index] = []
        self.size = 0

    def add(self, nodes: Index) -> None:
        unknown = nodes[self._position[nodes] < 0]
        if unknown.size:
            _, first = np.unique(unknown, return_index=True)
            fresh = unknown[np.sort(first)].astype(np.int64)
            self._position[fresh] = self.size + np.arange(fresh.size)
            self._parts.append(fresh)
            self.size += fresh.size

    def nodes(self) -> Index:
        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)

    def positions(self, nodes: Index) -> Index:
        return self._position[nodes]


def _draw(rows: tuple[Index, Index], nodes: Index, limit: int, rng: np.random.Generator) -> tuple[Index, Index]:
    """Up to ``limit`` distinct neighbours of each node (-1: all), as pairs (node, neighbour)."""
    indptr, indices = rows
    degree = indptr[nodes + 1] - indptr[nodes]
    into = np.repeat(nodes, degree)
    starts = np.cumsum(degree) - degree
    at = np.repeat(indptr[nodes] - starts, degree) + np.arange(into.size)
    if limit >= 0 and (degree > limit).any():
        # A random order within each node, of which the first few are taken: distinct without rejection.
        owner = np.repeat(np.arange(nodes.size), degree)
        order = np.lexsort((rng.random(into.size), owner))
        kept = np.sort(order[np.arange(into.size) - np.repeat(starts, degree) < limit])
        into, at = into[kept], at[kept]
    return into, indices[at]
