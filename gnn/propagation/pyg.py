"""The names Kindred uses from PyG, imported in one place.

Importing PyG with a recent torch warns that TorchScript is deprecated; nothing here uses it, and where
warnings are errors the import would fail.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
    from torch_geometric.data import HeteroData
    from torch_geometric.nn import GATConv, HeteroConv, RGCNConv, SAGEConv
    from torch_geometric.sampler import (
        BaseSampler,
        EdgeSamplerInput,
        HeteroSamplerOutput,
        NegativeSampling,
        NeighborSampler,
        NodeSamplerInput,
    )
    from torch_geometric.typing import WITH_PYG_LIB

__all__ = [
    "WITH_PYG_LIB",
    "BaseSampler",
    "EdgeSamplerInput",
    "GATConv",
    "HeteroConv",
    "HeteroData",
    "HeteroSamplerOutput",
    "NegativeSampling",
    "NeighborSampler",
    "NodeSamplerInput",
    "RGCNConv",
    "SAGEConv",
]
