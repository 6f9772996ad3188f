"""What models learn from: who chose what and when, in which order, and what is known of items."""

from __future__ import annotations

from gnn.data.interactions import NO_TIME, Interactions, ItemKnowledge, TrainingData

__all__ = [
    "NO_TIME",
    "Interactions",
    "ItemKnowledge",
    "TrainingData",
]
