"""Attribute walk: items that share brands, categories and facts, rare ones counting more."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import empty, inverse_power, scaled_columns, scaled_rows
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import FactorOperator, Operator


class AttributeWalk:
    """Scores by the cosine of TF-IDF attribute vectors, averaged over the edge types from items to attributes.

    Needs no interaction with an item, so it reaches items that nobody has chosen yet.

    Reference: Lops, de Gemmis & Semeraro, "Content-based recommender systems", 2011, section 3.3.1.
    """

    class Config(ModelConfig):
        rarity_power: float = Field(1.0, ge=0)
        """The inverse document frequency of an attribute is raised to this power; 0 counts all alike."""

    reference: ClassVar[str] = "Lops, de Gemmis & Semeraro 2011, TF-IDF content"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        incidences = [matrix for matrix in data.knowledge.attributes.values() if matrix.nnz]
        if not incidences:
            return FactorOperator(empty(data.train.num_items, 1), empty(1, data.train.num_items))
        vectors = [attribute_vectors(matrix, self.config.rarity_power) for matrix in incidences]
        left = sp.csr_array(sp.hstack(vectors, format="csr", dtype=np.float32) / np.float32(len(vectors)))
        right = sp.csr_array(sp.hstack(vectors, format="csr", dtype=np.float32).T)
        return FactorOperator(*own_in_one(left, right))


def own_in_one(left: sp.csr_array, right: sp.csr_array) -> tuple[sp.csr_array, sp.csr_array]:
    """Two matrices of the same product, in which all that one item alone has is one attribute.

    Such attributes lead nowhere but to the item itself, and in a graph of facts they are most of all: a third of the
    way through the graph would be spent on them. Shapes: (I, A), (A, I) → (I, A'), (A', I).
    """
    degree = np.diff(right.indptr)
    alone = np.flatnonzero(degree == 1)
    owner = right.indices[right.indptr[alone]]
    owners, place = np.unique(owner, return_inverse=True)
    if owners.size == alone.size:
        return left, right
    strength = np.zeros(owners.size, np.float64)
    weight = sp.csr_array(left[:, alone]).tocoo()
    np.add.at(strength, place[weight.col], weight.data * right.data[right.indptr[alone[weight.col]]])
    shared = np.flatnonzero(degree > 1)
    ones, many = np.arange(owners.size), (owners.size, left.shape[0])
    into = sp.csr_array((strength.astype(np.float32), (owners, ones)), shape=many[::-1])
    back = sp.csr_array((np.ones(owners.size, np.float32), (ones, owners)), shape=many)
    return (
        sp.csr_array(sp.hstack([left[:, shared], into], format="csr", dtype=np.float32)),
        sp.csr_array(sp.vstack([right[shared], back], format="csr", dtype=np.float32)),
    )


def attribute_vectors(incidence: sp.csr_array, rarity_power: float = 1.0) -> sp.csr_array:
    """Unit-length TF-IDF vectors of items. Shape (I, A) → (I, A); an item without attributes stays zero."""
    binary = sp.csr_array(
        (np.ones(incidence.nnz, np.float32), incidence.indices, incidence.indptr), shape=incidence.shape
    )
    items_with = np.asarray(binary.sum(axis=0), np.float64).ravel()
    rarity = np.log1p(incidence.shape[0] / np.maximum(items_with, 1.0)) ** rarity_power
    weighted = scaled_columns(binary, rarity)
    length = np.sqrt(np.asarray((weighted * weighted).sum(axis=1), np.float64).ravel())
    return scaled_rows(weighted, inverse_power(length, 1.0))
