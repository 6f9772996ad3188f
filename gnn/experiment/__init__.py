"""Experiments: models fitted, fused, compared on validation, measured once on test; and what was kept of it."""

from __future__ import annotations

from gnn.experiment.experiment import FUSED, Experiment, Recipe, learned_fusion, run_experiment

__all__ = [
    "FUSED",
    "Experiment",
    "Recipe",
    "learned_fusion",
    "run_experiment",
]
