"""Items that nobody has chosen, by themselves and by content: so that the fusion can weigh them apart from all others.

What speaks for a known item is mostly who chose it, and an unknown one has nothing to set against that. A source that
ranks unknown items alone has a weight of its own, which says how readily this shop's users choose what is new.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gnn.baselines.attributes import AttributeWalk
from gnn.baselines.neighbors import scaled_columns
from gnn.baselines.text import TextNeighbors
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import ConstantOperator, EmbeddingOperator, FactorOperator, Operator


class FreshText:
    """Scores of :class:`gnn.baselines.text.TextNeighbors` for items without interactions, 0 for all others.

    Reference: Lops, de Gemmis & Semeraro, "Content-based recommender systems", 2011.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Reimers & Gurevych 2019, Sentence-BERT"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        everywhere = TextNeighbors(TextNeighbors.Config()).fit(data)
        assert isinstance(everywhere, EmbeddingOperator)
        return EmbeddingOperator(everywhere.item_embedding * is_fresh(data)[:, None], everywhere.fold_in)


class FreshAttributes:
    """Scores of :class:`gnn.baselines.attributes.AttributeWalk` for items without interactions, 0 for all others.

    Reference: Lops, de Gemmis & Semeraro, "Content-based recommender systems", 2011, section 3.3.1.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Lops, de Gemmis & Semeraro 2011, TF-IDF content"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        everywhere = AttributeWalk(AttributeWalk.Config()).fit(data)
        assert isinstance(everywhere, FactorOperator)
        return FactorOperator(everywhere.left, scaled_columns(everywhere.right, is_fresh(data)))


class Unseen:
    """Scores 1 for items without interactions, 0 for all others: by itself no ranking, but what raises new items.

    Reference: Schein, Popescul, Ungar & Pennock, "Methods and metrics for cold-start recommendations", 2002.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Schein et al. 2002, cold start"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        return ConstantOperator(is_fresh(data), late_score=1.0)


def is_fresh(data: TrainingData) -> npt.NDArray[np.float32]:
    """1 for items without interactions, 0 for others. Shape (I,)."""
    return np.asarray(np.bincount(data.train.item_index, minlength=data.train.num_items) == 0, np.float32)
