"""The record of a training run, as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

StopReason = Literal["epochs", "patience", "time"]


class EpochRecord(BaseModel):
    """One epoch: its mean loss, its seconds without validation, and what validation said if it was asked."""

    model_config = ConfigDict(extra="forbid")

    epoch: int
    loss: float
    seconds: float
    validation: dict[str, float] | None = None


class RunRecord(BaseModel):
    """Everything worth knowing about a run afterwards."""

    model_config = ConfigDict(extra="forbid")

    model: str
    config: dict[str, Any]
    seed: int
    device: str
    threads: int
    parameters: int
    versions: dict[str, str]
    data: str
    """Fingerprint of the training interactions."""
    epochs: list[EpochRecord] = []
    best_epoch: int = 0
    best_validation: dict[str, float] | None = None
    stopped: StopReason | None = None
    resumed: int = 0
    """How often the run went on after an interruption."""
    seconds: float = 0.0
    """Training and validation, without the time between an interruption and its resumption."""
    peak_memory_mb: float = 0.0
    """Largest resident set of the process; on a GPU, largest allocation there."""

    def write(self, path: Path) -> None:
        """Writes the record; readers see the old or the new file, never half of one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
