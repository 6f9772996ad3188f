"""The account of an ingest: every row read is stored, filtered or quarantined."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass
class FileCounts:
    """What became of one file's rows. ``stored`` counts the rows that are in the graph (or serve as a lookup)."""

    table: str
    file: str
    read: int = 0
    stored: int = 0
    filtered: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    mapping: str
    batch_id: str
    files: tuple[FileCounts, ...]
    nodes: Mapping[str, int]
    """Node type → nodes written."""
    edges: Mapping[str, int]
    """Edge type (as ``User-LIKED->Item``) → edges written."""
    merged: int
    """Edge rows that were merged into others with the same ends and qualifier."""
    changed: int
    """Rows of the store that really changed; 0 when everything was there already."""
    watermark: str
    quarantine: str | None
    """The quarantine file, when any row is in it."""
    seconds: float

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def stored(self) -> int:
        return sum(file.stored for file in self.files)

    @property
    def filtered(self) -> int:
        return sum(file.filtered for file in self.files)

    @property
    def quarantined(self) -> int:
        return sum(file.quarantined for file in self.files)

    def to_json(self) -> str:
        """The report as JSON, with the sums."""
        sums = {name: getattr(self, name) for name in ("read", "stored", "filtered", "quarantined")}
        return json.dumps({**asdict(self), **sums}, ensure_ascii=False, indent=2)
