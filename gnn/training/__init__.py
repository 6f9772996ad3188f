"""Training by gradient: one trainer for every model that has an objective."""

from __future__ import annotations

from gnn.training.options import TrainingConfig
from gnn.training.progress import RichTrainingProgress, TrainingProgress
from gnn.training.record import EpochRecord, RunRecord
from gnn.training.run import SupportsTrainingRun, TrainingRun

__all__ = [
    "EpochRecord",
    "RichTrainingProgress",
    "RunRecord",
    "SupportsTrainingRun",
    "TrainingConfig",
    "TrainingProgress",
    "TrainingRun",
]
