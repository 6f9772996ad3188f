"""Evaluations side by side: as text for people, as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from gnn.evaluation import Evaluation


@dataclass(frozen=True)
class EvaluationTable:
    """Rankers in rows, measured on the same users.

    ``notes`` gives further columns by row name (fit seconds, peak MB). ``heading`` says what was measured: data,
    split, seed and the command that regenerates it.
    """

    rows: Mapping[str, Evaluation]
    heading: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    metrics: Sequence[str] = ("recall@20", "ndcg@20", "hr@10", "mrr@20")
    slices: Sequence[str] = ("cold items", "tail items", "cold users")
    """Slices shown by the first metric; one that has no user is a dash."""

    @property
    def columns(self) -> list[str]:
        first = self.metrics[0]
        sliced = [f"{first} {name}" for name in self.slices]
        return ["model", *self.metrics, "coverage", "novelty", "popularity lift", *sliced, *self._noted()]

    def lines(self) -> list[list[str]]:
        """The cells, best first by the first metric."""
        best_first = sorted(self.rows, key=lambda name: -self.rows[name].metrics[self.metrics[0]])
        return [[name, *self._cells(name)] for name in best_first]

    def markdown(self) -> str:
        """The table for a page, with its heading as one line above it."""
        body = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.lines()]
        table = "\n".join("| " + " | ".join(line) + " |" for line in body)
        heading = " · ".join(f"{name}: {value}" for name, value in self.heading.items())
        return f"{heading}\n\n{table}\n" if heading else f"{table}\n"

    def rich(self) -> Table:
        """The table for a terminal."""
        table = Table(title=" · ".join(str(value) for value in self.heading.values()) or None)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for line in self.lines():
            table.add_row(*line)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Everything measured, JSON-ready, with intervals and all slices."""
        rows = {name: measured.to_dict() | dict(self.notes.get(name, {})) for name, measured in self.rows.items()}
        return {"heading": {name: str(value) for name, value in self.heading.items()}, "rows": rows}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def _noted(self) -> list[str]:
        return list(dict.fromkeys(column for notes in self.notes.values() for column in notes))

    def _cells(self, name: str) -> list[str]:
        measured = self.rows[name]
        shown = measured.exposure
        in_slice = {part.name: part.metrics for part in measured.slices}
        sliced = [in_slice.get(part, {}).get(self.metrics[0]) for part in self.slices]
        notes = self.notes.get(name, {})
        return [
            *(f"{measured.metrics[metric]:.4f}" for metric in self.metrics),
            f"{shown.coverage:.3f}",
            f"{shown.novelty:.2f}",
            f"{shown.popularity_lift:+.2f}",
            *("–" if value is None else f"{value:.4f}" for value in sliced),
            *(f"{notes[column]:.1f}" if column in notes else "–" for column in self._noted()),
        ]
