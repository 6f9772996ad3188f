"""Fusion: one ranking out of many sources, with weights learned per data set."""

from __future__ import annotations

from gnn.fusion.features import Candidates, FeatureSpace, candidates
from gnn.fusion.learning import CrossFitted, LearnedFusion, learn_fusion
from gnn.fusion.ranking import Fused, FusedRanker
from gnn.fusion.weights import FusionWeights

__all__ = [
    "Candidates",
    "CrossFitted",
    "FeatureSpace",
    "Fused",
    "FusedRanker",
    "FusionWeights",
    "LearnedFusion",
    "candidates",
    "learn_fusion",
]
