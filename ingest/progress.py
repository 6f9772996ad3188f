"""Progress of long work: a small protocol, and its picture on a terminal."""

from __future__ import annotations

from typing import Literal, Protocol, Self, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichBars
from rich.text import Text

Unit: TypeAlias = Literal["bytes", "rows"]


class Progress(Protocol):
    """What is told how far the work is."""

    def start(self, what: str, total: int | None, unit: Unit) -> None:
        """A new stage begins; the one before is done. ``total`` is None when it is not known."""
        ...

    def advance(self, amount: int) -> None:
        """So much more of the stage is done."""
        ...


class NoProgress:
    """Shows nothing."""

    def start(self, what: str, total: int | None, unit: Unit) -> None:
        """Nothing."""

    def advance(self, amount: int) -> None:
        """Nothing."""


class _RowSpeed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s", style="progress.data.speed")


class RichProgress:
    """A bar per stage with rate and remaining time. Use it as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        common: tuple[ProgressColumn, ...] = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        console = console or Console(stderr=True)
        self._bars = {
            "bytes": RichBars(*common, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=console),
            "rows": RichBars(*common, MofNCompleteColumn(), _RowSpeed(), TimeRemainingColumn(), console=console),
        }
        self._shown: RichBars | None = None
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None, unit: Unit) -> None:
        """A bar for the stage."""
        bars = self._bars[unit]
        if self._shown is not bars:
            self._stop()
            bars.start()
            self._shown = bars
        self._finish()
        self._task = bars.add_task(what, total=total)

    def advance(self, amount: int) -> None:
        """Moves the bar."""
        if self._shown is not None and self._task is not None:
            self._shown.advance(self._task, amount)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._finish()
        self._stop()

    def _finish(self) -> None:
        if self._shown is not None and self._task is not None:
            task = self._shown.tasks[-1]
            self._shown.update(self._task, total=task.completed, completed=task.completed)
            self._task = None

    def _stop(self) -> None:
        if self._shown is not None:
            self._finish()
            self._shown.stop()
            self._shown = None
