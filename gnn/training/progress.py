"""Who hears how far a training is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class TrainingProgress(Protocol):
    """Hears of every epoch."""

    def start(self, model: str, done: int, total: int) -> None:
        """Training begins after ``done`` of at most ``total`` epochs."""
        ...

    def epoch(self, epoch: int, loss: float, validation: Mapping[str, float] | None) -> None:
        """An epoch has ended; ``epoch`` counts from 1."""
        ...

    def stop(self, reason: str) -> None:
        """Training is over: ``epochs``, ``patience`` or ``time``."""
        ...


class SilentProgress:
    """Says nothing."""

    def start(self, model: str, done: int, total: int) -> None: ...

    def epoch(self, epoch: int, loss: float, validation: Mapping[str, float] | None) -> None: ...

    def stop(self, reason: str) -> None: ...


class RichTrainingProgress:
    """A bar on the terminal with epochs, loss and the last validation figure."""

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._validation = ""

    def start(self, model: str, done: int, total: int) -> None:
        self._task = self._bar.add_task(f"train {model}", total=total, completed=done, figures="")
        self._bar.start()

    def epoch(self, epoch: int, loss: float, validation: Mapping[str, float] | None) -> None:
        if self._task is None:
            return
        if validation is not None:
            self._validation = " ".join(f"{name} {value:.4f}" for name, value in validation.items())
        self._bar.update(self._task, completed=epoch, figures=f"loss {loss:.4f} {self._validation}".rstrip())

    def stop(self, reason: str) -> None:
        if self._task is not None:
            self._bar.update(self._task, description=f"{self._bar.tasks[0].description} · stopped by {reason}")
        self._bar.stop()
