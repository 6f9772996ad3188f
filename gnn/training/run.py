"""Where a training run keeps its work, and who hears of it: what is no business of a model's configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from gnn.training.progress import SilentProgress, TrainingProgress
from gnn.training.record import RunRecord


@dataclass(frozen=True)
class TrainingRun:
    """Files and listeners of one run; all optional.

    ``checkpoint`` is one file, written at most every ``checkpoint_every_s`` seconds and at the end. A run that
    finds its own unfinished checkpoint goes on from it; a checkpoint of another configuration or of other data
    is refused.
    """

    checkpoint: Path | None = None
    checkpoint_every_s: float = 30.0
    record: Path | None = None
    progress: TrainingProgress = field(default_factory=SilentProgress)
    finished: Callable[[RunRecord], None] | None = None
    """Told the record of a training that has ended, e.g. :func:`gnn.training.tracking.track`."""
    ray_workers: int = 0
    """Ray workers that share the training, see :mod:`gnn.training.on_ray`; 0 trains in this process."""


@runtime_checkable
class SupportsTrainingRun(Protocol):
    """A model trained by gradient: set ``run`` before ``fit``, read ``record`` and ``best_epochs`` after it."""

    run: TrainingRun
    record: RunRecord | None
    best_epochs: int | None
