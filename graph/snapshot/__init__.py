"""A graph frozen into memory-mapped arrays: compressed rows both ways, vocabularies, property columns."""

from graph.snapshot.building import build_snapshot
from graph.snapshot.edges import NO_TIME, Csr, EdgeTable
from graph.snapshot.nodes import NodeTable
from graph.snapshot.opening import Snapshot, open_snapshot
from graph.snapshot.vocabulary import IntArray, Vocabulary

__all__ = [
    "NO_TIME",
    "Csr",
    "EdgeTable",
    "IntArray",
    "NodeTable",
    "Snapshot",
    "Vocabulary",
    "build_snapshot",
    "open_snapshot",
]
