"""A release's embeddings on their way into a graph store, for people who browse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class NodeEmbeddings:
    """One vector per node of a type. Shape: ``vector`` (N, D)."""

    node_type: str
    node_ids: Sequence[str]
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LearnedNeighbors:
    """Pairs of items that a model puts close to each other; columns of equal length."""

    source_ids: Sequence[str]
    target_ids: Sequence[str]
    score: Sequence[float]


@dataclass(frozen=True, slots=True)
class Publication:
    """What one release shows: embeddings of items and users, and learned neighbours where they are asked for.

    ``model`` is the name of the operator the vectors come from.
    """

    release_id: str
    model: str
    items: NodeEmbeddings
    users: NodeEmbeddings
    neighbors: LearnedNeighbors | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What was written. Nodes that are no longer in the graph are left out and counted in ``absent``."""

    release_id: str
    model: str
    items: int
    users: int
    neighbors: int
    absent: int


@runtime_checkable
class PublishesEmbeddings(Protocol):
    """What a store offers beside the protocol when it can search vectors."""

    def publish(self, publication: Publication) -> Published:
        """Write a release's embeddings beside those of the one before, switch to them in one step, remove the old.

        A query sees one release or the other. Publishing the same again changes nothing that a query sees. Published
        embeddings and neighbours are no part of the graph: not exported, not learned from.
        """
        ...
