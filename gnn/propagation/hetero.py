"""The training graph as PyG's HeteroData: users, items, attributes, and every edge both ways."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from gnn.data import TrainingData
from gnn.propagation.pyg import HeteroData
from graph.schema import EdgeType

USER, ITEM = "user", "item"
INTERACTS = "interacts"


def hetero_data(data: TrainingData, *, min_attribute_items: int = 1) -> HeteroData:
    """Users, items and attributes with ``edge_index`` per edge type; for each also its ``rev_`` edge type.

    ``data["item"].x`` are text embeddings if there are any. Attribute nodes with fewer than
    ``min_attribute_items`` items are left out, since nothing can be learned across them;
    ``data[node_type].node_index`` says which rows were kept. Edge types without edges are left out.
    """
    graph = HeteroData()
    graph[USER].num_nodes = data.train.num_users
    graph[ITEM].num_nodes = data.train.num_items
    if data.knowledge.text is not None:
        graph[ITEM].x = torch.from_numpy(np.ascontiguousarray(data.knowledge.text, np.float32))
    _add(graph, (USER, INTERACTS, ITEM), data.train.matrix())
    kept = _kept_attributes(data, min_attribute_items)
    for node_type, node_index in kept.items():
        graph[node_type].num_nodes = node_index.size
        graph[node_type].node_index = torch.from_numpy(node_index)
    for edge_type, matrix in data.knowledge.attributes.items():
        node_type = attribute_node_type(edge_type)
        if node_type in kept:
            columns = sp.csr_array(sp.csc_array(matrix)[:, kept[node_type]])
            _add(graph, (ITEM, edge_type[1], node_type), columns)
    for (_, relation, _), matrix in data.knowledge.relations.items():
        _add(graph, (ITEM, relation, ITEM), matrix)
    return graph


def attribute_node_type(edge_type: EdgeType) -> str:
    """The node type of an attribute edge's target; apart from users and items, whatever the schema calls it."""
    name = edge_type[2]
    return f"{name}_attribute" if name in (USER, ITEM) else name


def reverse(edge_type: EdgeType) -> EdgeType:
    """The edge type that goes the other way."""
    source, relation, target = edge_type
    return target, f"rev_{relation}", source


def incidence(graph: HeteroData, edge_type: EdgeType) -> sp.csr_array:
    """Who receives from whom along one edge type, binary. Shape (targets, sources)."""
    source, _, target = edge_type
    row, column = graph[edge_type].edge_index.numpy()
    shape = (graph[target].num_nodes, graph[source].num_nodes)
    matrix = sp.csr_array(sp.coo_array((np.ones(row.size, np.float32), (column, row)), shape=shape))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _kept_attributes(data: TrainingData, min_items: int) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for edge_type, matrix in data.knowledge.attributes.items():
        found = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)
        node_type = attribute_node_type(edge_type)
        counts[node_type] = counts[node_type] + found if node_type in counts else found
    kept = {node_type: np.flatnonzero(count >= max(1, min_items)) for node_type, count in counts.items()}
    return {node_type: node_index for node_type, node_index in kept.items() if node_index.size}


def _add(graph: HeteroData, edge_type: EdgeType, matrix: sp.csr_array) -> None:
    if not matrix.nnz:
        return
    pairs = sp.coo_array(matrix)
    edge_index = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
    graph[edge_type].edge_index = edge_index
    graph[reverse(edge_type)].edge_index = edge_index.flip(0)
