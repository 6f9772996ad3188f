"""The options every model trained by gradient has."""

from __future__ import annotations

from pydantic import Field

from gnn.models.model import ModelConfig


class TrainingConfig(ModelConfig):
    """How long, how fast and on what a model is trained; models add their own fields."""

    epochs: int = Field(200, ge=1)
    """Passes over all users; fewer when validation stops improving."""
    learning_rate: float = Field(0.02, gt=0)
    learning_rate_end: float = Field(1.0, ge=0, le=1)
    """The part of it that is left at the end of ``epochs`` or ``max_seconds``; it falls linearly."""
    weight_decay: float = Field(0.0, ge=0)
    batch_users: int = Field(1024, ge=1)
    patience: int = Field(4, ge=1)
    """Validations without improvement before training stops."""
    validate_steps: int = Field(10, ge=1)
    """Optimiser steps between validations, rounded up to whole epochs."""
    validation_users: int = Field(3000, ge=1)
    """Users a validation looks at; a fixed sample when there are more."""
    max_seconds: float | None = Field(None, gt=0)
    """Training stops at the end of the epoch that crosses this; seconds before an interruption count."""
    threads: int | None = Field(None, ge=1)
    """CPU threads; ``None`` leaves torch's own choice."""
    bf16: bool = False
    """Dense arithmetic in bfloat16 on a GPU; ignored on a CPU."""
