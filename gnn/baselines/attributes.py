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
        return FactorOperator(left, right)


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
