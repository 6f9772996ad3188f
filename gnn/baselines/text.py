"""Text neighbours: items whose words mean the same."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnn.data import TrainingData
from gnn.data.histories import FloatArray
from gnn.models.model import ModelConfig
from gnn.operators import EmbeddingOperator, Operator


class TextNeighbors:
    """Scores by the mean cosine of text embeddings to those of the history's items.

    The mean of all texts is taken out first: what every title says tells items apart from nothing.

    Reference: Reimers & Gurevych, "Sentence-BERT", 2019; Mu & Viswanath, "All-but-the-top", 2018.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Reimers & Gurevych 2019, Sentence-BERT"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        text = data.knowledge.text
        if text is None:
            text = np.zeros((data.train.num_items, 1), np.float32)
        embedding = centred(text)
        return EmbeddingOperator(item_embedding=embedding, fold_in=embedding)


def centred(text: FloatArray) -> FloatArray:
    """Unit-length embeddings around the mean text; rows of zeros stay zero. Shape (I, T) → (I, T)."""
    present = (text != 0).any(axis=1)
    if not present.any():
        return np.array(text, np.float32)
    around_mean = np.where(present[:, None], text - text[present].mean(axis=0), 0.0)
    length = np.linalg.norm(around_mean, axis=1, keepdims=True)
    return np.asarray(around_mean / np.maximum(length, 1e-12), np.float32)
